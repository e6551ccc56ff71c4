package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrDevStore is every fault of a dev-store file.
var ErrDevStore = errors.New("invalid dev-store file")

// MaxDevStore is the longest dev-store file, in bytes, that is read or written.
const MaxDevStore = 8 << 20

const (
	devStoreKey     = "SECRETS_BACKEND_STATE"
	encryptedHeader = "# greentic-encrypted:"
)

// Entry is one secret of a dev-store: its newest version, unless that is a deletion.
type Entry struct {
	Meta    Meta
	Value   secret.Value
	Version int // 0 is 1 where it is written
}

// ReadDevStore reads a dev-store file. masterKey is what the environment variable GREENTIC_DEV_MASTER_KEY holds, empty where it is not
// set. The entries are in the order of the file. All faults are reported at once, each an ErrDevStore that names its secret; a value
// that does not open is ErrCorrupt as well.
func ReadDevStore(file []byte, masterKey secret.Value) ([]Entry, error) {
	state, err := findState(file)
	if err != nil || state == nil {
		return nil, err
	}
	root, err := exactjson.Parse(state)
	if err == nil {
		err = root.Only("secrets")
	}
	var list []exactjson.Object
	if err == nil {
		err = root.Read("secrets", &list)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its state: %w", ErrDevStore, err)
	}
	reader := devStoreReader{key: sha256.Sum256(masterKey.Reveal()), seen: make(map[secretref.Reference]int, len(list))}
	for i, object := range list {
		reader.read(i, object)
	}
	if len(reader.faults) > 0 {
		return nil, errors.Join(reader.faults...)
	}
	return reader.entries, nil
}

// findState is the JSON in the file; nil for a file in which nothing was ever stored.
func findState(file []byte) ([]byte, error) {
	if len(file) > MaxDevStore {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrDevStore, MaxDevStore)
	}
	if bytes.HasPrefix(file, []byte(encryptedHeader)) {
		return nil, fmt.Errorf("%w: it is encrypted with a passphrase; remove the passphrase with Greentic's own tool first", ErrDevStore)
	}
	other := false
	for line := range bytes.Lines(file) {
		if len(bytes.TrimSpace(line)) == 0 || line[0] == '#' {
			continue
		}
		name, value, found := bytes.Cut(line, []byte("="))
		if !found || string(bytes.TrimSpace(name)) != devStoreKey {
			other = true
			continue
		}
		state, err := base64.RawStdEncoding.Strict().DecodeString(string(bytes.TrimSpace(value)))
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not base64 without padding", ErrDevStore, devStoreKey)
		}
		return state, nil
	}
	if other {
		return nil, fmt.Errorf("%w: it has no line %s=; name the file that Greentic wrote (.dev.secrets.env)", ErrDevStore, devStoreKey)
	}
	return nil, nil
}

// WriteDevStore writes entries as a dev-store file that Greentic's own reader opens. masterKey is as for ReadDevStore.
//
// Secrets of one scope and category share a data key. Greentic's reader remembers the data key of a scope and category for minutes and
// opens the next secret of the same place with it, whatever key that one was sealed with; with a key of its own, the second secret of
// a category would be unreadable there.
func WriteDevStore(entries []Entry, masterKey secret.Value) ([]byte, error) {
	writer := devStoreWriter{
		key: sha256.Sum256(masterKey.Reveal()), dataKeys: map[place]secret.Value{}, seen: map[secretref.Reference]int{},
		secrets: []devSecret{}, // Greentic's reader refuses null
	}
	defer writer.wipe()
	for i, entry := range entries {
		writer.write(i, entry)
	}
	if len(writer.faults) > 0 {
		return nil, errors.Join(writer.faults...)
	}
	slices.SortFunc(writer.secrets, func(a, b devSecret) int { return strings.Compare(a.Key, b.Key) })
	state, err := json.Marshal(devState{Secrets: writer.secrets})
	if err != nil {
		return nil, fmt.Errorf("writing dev-store: %w", err)
	}
	file := []byte(devStoreKey + "=" + base64.RawStdEncoding.EncodeToString(state) + "\n")
	if len(file) > MaxDevStore {
		return nil, fmt.Errorf("%w: it would be longer than %d bytes", ErrDevStore, MaxDevStore)
	}
	return file, nil
}

// place is what Greentic's reader remembers a data key by.
type place struct {
	scope    secretref.Scope
	category string
}

// wrap is how the dev-store hides a data key, and how it uncovers it: XOR with the hash of the master key, over and over.
func wrap(key [sha256.Size]byte, data []byte) []byte {
	wrapped := make([]byte, len(data))
	for i := range data {
		wrapped[i] = data[i] ^ key[i%len(key)]
	}
	return wrapped
}
