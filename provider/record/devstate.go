package record

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// devState and below are the dev-store's JSON, fields in the order in which Greentic writes them.
type devState struct {
	Secrets []devSecret `json:"secrets"`
}

type devSecret struct {
	Key      string       `json:"key"`
	Versions []devVersion `json:"versions"`
}

type devVersion struct {
	Version int       `json:"version"`
	Deleted bool      `json:"deleted"`
	Record  devRecord `json:"record"`
}

type devRecord struct {
	Meta     storedMeta  `json:"meta"`
	Value    numbers     `json:"value"`
	Envelope devEnvelope `json:"envelope"`
}

type devEnvelope struct {
	Algorithm  string  `json:"algorithm"`
	Nonce      numbers `json:"nonce"`
	Salt       numbers `json:"hkdf_salt"`
	WrappedKey numbers `json:"wrapped_dek"`
}

// numbers is bytes as a JSON list of numbers.
type numbers []byte

// MarshalJSON writes the list.
func (n numbers) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 4*len(n)+2)
	text = append(text, '[')
	for i, b := range n {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(b), 10)
	}
	return append(text, ']'), nil
}

// UnmarshalJSON reads the list, and nothing else: base64 has no place in a dev-store.
func (n *numbers) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '[' {
		return errors.New("not a list of numbers")
	}
	return json.Unmarshal(text, (*[]byte)(n))
}

type devStoreWriter struct {
	key      [sha256.Size]byte
	dataKeys map[place]secret.Value
	seen     map[secretref.Reference]int
	secrets  []devSecret
	faults   []error
}

func (w *devStoreWriter) write(i int, entry Entry) {
	secret, err := w.seal(i, entry)
	if err != nil {
		w.faults = append(w.faults, fmt.Errorf("entries[%d] %q: %w: %w", i, entry.Meta.Ref.StoreURI(), ErrDevStore, err))
		return
	}
	w.secrets = append(w.secrets, secret)
}

func (w *devStoreWriter) wipe() {
	for _, dataKey := range w.dataKeys {
		dataKey.Wipe()
	}
}

func (w *devStoreWriter) seal(i int, entry Entry) (devSecret, error) {
	meta, err := entry.Meta.stored()
	if err != nil {
		return devSecret{}, err
	}
	ref := entry.Meta.Ref.Newest()
	if first, twice := w.seen[ref]; twice {
		return devSecret{}, fmt.Errorf("entries[%d] is the same secret", first)
	}
	w.seen[ref] = i
	if entry.Version < 0 {
		return devSecret{}, fmt.Errorf("%d is no version", entry.Version)
	}
	where := place{ref.Scope(), ref.Category()}
	dataKey, known := w.dataKeys[where]
	if !known {
		dataKey = NewDataKey()
		w.dataKeys[where] = dataKey
	}
	sealed, err := seal(meta.URI, entry.Value, dataKey)
	if err != nil {
		return devSecret{}, err
	}
	return devSecret{Key: meta.URI, Versions: []devVersion{{
		Version: max(entry.Version, 1),
		Record: devRecord{Meta: meta, Value: sealed.ciphertext, Envelope: devEnvelope{
			Algorithm: string(sealed.algorithm), Nonce: sealed.nonce, Salt: sealed.salt, WrappedKey: wrap(w.key, dataKey.Reveal()),
		}},
	}}}, nil
}

type devStoreReader struct {
	key     [sha256.Size]byte
	seen    map[secretref.Reference]int
	entries []Entry
	faults  []error
}

func (r *devStoreReader) read(i int, object exactjson.Object) {
	key, err := object.Text("key")
	where := fmt.Sprintf("secrets[%d]", i)
	if err == nil {
		where = fmt.Sprintf("secrets[%d] %.700q", i, key)
		err = r.readSecret(i, key, object)
	}
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("%s: %w: %w", where, ErrDevStore, err))
	}
}

func (r *devStoreReader) readSecret(i int, key string, object exactjson.Object) error {
	if err := object.Only("key", "versions"); err != nil {
		return err
	}
	ref, err := secretref.Parse(key)
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(key, "secrets://"):
		return errors.New(`a key starts with "secrets://"`)
	case ref.Version() != 0:
		return errors.New("its key pins a version; store it under the reference without one")
	}
	if first, twice := r.seen[ref]; twice {
		return fmt.Errorf("it is the same secret as secrets[%d]", first)
	}
	r.seen[ref] = i
	version, sealed, err := newest(object)
	if err != nil || sealed == nil {
		return err
	}
	meta, value, err := r.open(key, ref, sealed)
	if err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	r.entries = append(r.entries, Entry{Meta: meta, Value: value, Version: version})
	return nil
}

// newest is the record of the newest version; nil if there is none or the secret is deleted.
func newest(object exactjson.Object) (version int, sealed exactjson.Object, err error) {
	var versions []exactjson.Object
	if err := object.Read("versions", &versions); err != nil {
		return 0, nil, err
	}
	deleted := true
	for i, v := range versions {
		if err := v.Only("version", "deleted", "record"); err != nil {
			return 0, nil, fmt.Errorf("versions[%d]: %w", i, err)
		}
		var number int
		if err := v.Read("version", &number); err != nil {
			return 0, nil, fmt.Errorf("versions[%d].%w", i, err)
		}
		if err := v.Read("deleted", &deleted); err != nil {
			return 0, nil, fmt.Errorf("versions[%d].%w", i, err)
		}
		if number <= version {
			return 0, nil, fmt.Errorf("versions[%d]: %d does not come after %d", i, number, version)
		}
		version = number
		if i == len(versions)-1 && !deleted {
			if sealed, err = v.Object("record"); err != nil {
				return 0, nil, fmt.Errorf("versions[%d].%w", i, err)
			}
		}
	}
	return version, sealed, nil
}

func (r *devStoreReader) open(key string, ref secretref.Reference, object exactjson.Object) (Meta, secret.Value, error) {
	fail := func(err error) (Meta, secret.Value, error) { return Meta{}, secret.Value{}, err }
	if err := object.Only("meta", "value", "envelope"); err != nil {
		return fail(err)
	}
	metaObject, err := object.Object("meta")
	if err != nil {
		return fail(err)
	}
	if uri, err := metaObject.Text("uri"); err != nil || uri != key {
		return fail(fmt.Errorf("%w: meta.uri is not the key", ErrCorrupt))
	}
	meta, err := readMeta(metaObject, ref)
	if err != nil {
		return fail(err)
	}
	sealed, wrapped, err := readDevEnvelope(key, object)
	if err != nil {
		return fail(err)
	}
	dataKey := secret.New(wrap(r.key, wrapped))
	defer dataKey.Wipe()
	value, err := sealed.open(dataKey)
	if err != nil {
		return fail(fmt.Errorf("%w (is GREENTIC_DEV_MASTER_KEY what it was when the file was written?)", err))
	}
	return meta, value, nil
}

func readDevEnvelope(info string, object exactjson.Object) (envelope, []byte, error) {
	sealed, err := object.Object("envelope")
	if err != nil {
		return envelope{}, nil, err
	}
	if err := sealed.Only("algorithm", "nonce", "hkdf_salt", "wrapped_dek"); err != nil {
		return envelope{}, nil, err
	}
	name, err := sealed.Text("algorithm")
	if err != nil {
		return envelope{}, nil, err
	}
	e := envelope{info: info}
	if e.algorithm, err = parseAlgorithm(name); err != nil {
		return envelope{}, nil, err
	}
	var wrapped []byte
	for _, part := range e.parts(sealed, object, &wrapped) {
		var list numbers
		if err := part.in.Read(part.name, &list); err != nil {
			return envelope{}, nil, err
		}
		*part.into = list
	}
	return e, wrapped, e.check()
}
