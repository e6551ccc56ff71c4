package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// What the faults of this package are; errors.Is tells them apart.
var (
	ErrCorrupt  = errors.New("the record cannot be opened")
	ErrNotFound = errors.New("no secret is stored")
	ErrAnswer   = errors.New("not an answer of a KV version 2 engine")
	ErrInvalid  = errors.New("no valid record")
)

// MaxValue is the longest value, in bytes, that is sealed. In base64 twice over it still fits into an answer of Vault that the provider
// reads, which ends at 4 MiB.
const MaxValue = 2 << 20

const (
	fieldRecord    = "record"
	fieldTombstone = "__greentic_deleted"
)

// Record is a stored secret that was read and not opened. Only ParseKV makes one that is not zero.
type Record struct {
	envelope   envelope
	wrappedKey string
}

// WrappedKey is the record's data key as Vault's transit engine encrypted it, "vault:v1:…".
func (r Record) WrappedKey() string { return r.wrappedKey }

// Open decrypts the record with its data key, which is what transit makes of WrappedKey. A record that was changed, or whose data key
// is another's, is ErrCorrupt.
func (r Record) Open(dataKey secret.Value) (secret.Value, error) {
	if r.wrappedKey == "" {
		return secret.Value{}, fmt.Errorf("%w: nothing was read", ErrCorrupt)
	}
	return r.envelope.open(dataKey)
}

// Seal encrypts value under dataKey and makes what is to be written as a KV v2 version's data. wrappedKey is dataKey as the transit
// engine encrypted it.
func Seal(meta Meta, value, dataKey secret.Value, wrappedKey string) (map[string]any, error) {
	stored, err := meta.stored()
	if err != nil {
		return nil, err
	}
	if err := checkWrappedKey(wrappedKey); err != nil {
		return nil, fmt.Errorf("%w: the wrapped data key %w", ErrInvalid, err)
	}
	sealed, err := seal(stored.URI, value, dataKey)
	if err != nil {
		return nil, fmt.Errorf("sealing %q: %w", stored.URI, err)
	}
	type storedEnvelope struct {
		Algorithm  string `json:"algorithm"`
		Nonce      []byte `json:"nonce"`
		Salt       []byte `json:"hkdf_salt"`
		WrappedKey []byte `json:"wrapped_dek"`
	}
	text, err := json.Marshal(struct {
		Meta     storedMeta     `json:"meta"`
		Envelope storedEnvelope `json:"envelope"`
		Value    []byte         `json:"value"`
	}{
		Meta:     stored,
		Envelope: storedEnvelope{string(sealed.algorithm), sealed.nonce, sealed.salt, []byte(wrappedKey)},
		Value:    sealed.ciphertext,
	})
	if err != nil {
		return nil, fmt.Errorf("sealing %q: %w", stored.URI, err)
	}
	return map[string]any{fieldRecord: base64.StdEncoding.EncodeToString(text)}, nil
}

// parseRecord, which keeps nothing of text, reads the text of the field "record". Fields that are not known are passed over: a newer Greentic may write more, and
// what decides is bound into the encryption.
func parseRecord(text []byte, want secretref.Reference) (Record, error) {
	decoded, err := decodeBase64(text)
	if err != nil {
		return Record{}, fmt.Errorf("%w: the field %q is %w", ErrCorrupt, fieldRecord, err)
	}
	object, err := exactjson.Parse(decoded)
	if err != nil {
		return Record{}, fmt.Errorf("%w: the field %q is %w", ErrCorrupt, fieldRecord, err)
	}
	uri, err := readURI(object, want)
	if err != nil {
		return Record{}, err
	}
	sealed, err := object.Object("envelope")
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	name, err := sealed.Text("algorithm")
	if err != nil {
		return Record{}, fmt.Errorf("%w: envelope.%w", ErrCorrupt, err)
	}
	e := envelope{info: uri}
	if e.algorithm, err = parseAlgorithm(name); err != nil {
		return Record{}, err
	}
	var wrapped []byte
	for _, part := range e.parts(sealed, object, &wrapped) {
		if *part.into, err = readBase64(part.in, part.name); err != nil {
			return Record{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if err := e.check(); err != nil {
		return Record{}, err
	}
	if err := checkWrappedKey(string(wrapped)); err != nil {
		return Record{}, fmt.Errorf("%w: envelope.wrapped_dek %w", ErrCorrupt, err)
	}
	return Record{envelope: e, wrappedKey: string(wrapped)}, nil
}

// readURI is meta.uri as it is written, once it is known to be the URI of want.
func readURI(object exactjson.Object, want secretref.Reference) (string, error) {
	meta, err := object.Object("meta")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	uri, err := meta.Text("uri")
	if err != nil {
		return "", fmt.Errorf("%w: meta.%w", ErrCorrupt, err)
	}
	if got, err := parseURI(uri); err != nil || want.IsZero() || got.StoreURI() != want.StoreURI() {
		return "", fmt.Errorf("%w: it is the record of %.700q, and %q was asked for; write the secret again under its own reference",
			ErrCorrupt, uri, want.StoreURI())
	}
	return uri, nil
}

// parseURI reads a record's own URI. Greentic allows a version of any shape there, which names nothing: the store counts versions.
func parseURI(uri string) (secretref.Reference, error) {
	if !strings.HasPrefix(uri, "secrets://") {
		return secretref.Reference{}, secretref.ErrScheme
	}
	withoutVersion, _, _ := strings.Cut(uri, "@")
	return secretref.Parse(withoutVersion)
}

// checkWrappedKey refuses what no transit engine wrote, before it is sent to one.
func checkWrappedKey(wrapped string) error {
	const most = 4096
	rest, ok := strings.CutPrefix(wrapped, "vault:v")
	for i := range len(rest) {
		ok = ok && rest[i] > ' ' && rest[i] < 0x7f
	}
	if !ok || rest == "" || len(rest) > most {
		return errors.New(`is no ciphertext of the transit engine ("vault:v1:...")`)
	}
	return nil
}

func readBase64(object exactjson.Object, name string) ([]byte, error) {
	text, err := object.Bytes(name)
	if err != nil {
		return nil, err
	}
	decoded, err := decodeBase64(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return decoded, nil
}

var (
	errBase64 = errors.New("not base64")
	strict    = base64.StdEncoding.Strict()
)

// decodeBase64 keeps the decoder's own error to itself, and is as strict as Greentic's: no line breaks, no loose bits at the end.
func decodeBase64(text []byte) ([]byte, error) {
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := strict.Decode(decoded, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	return decoded[:n], nil
}
