package record

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Stored is one version of a KV v2 path: either a Record or plain fields.
type Stored struct {
	version  int
	created  string
	record   Record
	isRecord bool
	fields   map[string]secret.Value // JSON
}

// ParseKV reads the "data" of Vault's answer to a read of a KV v2 path, {"data": {…}, "metadata": {…}}. A deleted or destroyed version
// and Greentic's tombstone are ErrNotFound, a record that is not want's or cannot be understood is ErrCorrupt, and what no KV v2 engine
// answers is ErrAnswer. Nothing of data is kept.
//
// Vault sends no data of a version that is deleted. A deletion time beside data lies in the future (delete_version_after), and the
// version is alive until then.
func ParseKV(data []byte, want secretref.Reference) (Stored, error) {
	answer, err := exactjson.Parse(data)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	var s Stored
	var destroyed bool
	if destroyed, err = s.readMetadata(answer); err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if destroyed || !answer.Has("data") {
		return Stored{}, fmt.Errorf("%w: version %d is deleted", ErrNotFound, s.version)
	}
	fields, err := answer.Object("data")
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if fields.Has(fieldTombstone) {
		var deleted bool
		if err := fields.Read(fieldTombstone, &deleted); err != nil {
			return Stored{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if deleted {
			return Stored{}, fmt.Errorf("%w: version %d says that the secret was deleted", ErrNotFound, s.version)
		}
	}
	text, err := fields.Bytes(fieldRecord)
	if err != nil { // plain fields, and if one is named "record" it is no text
		s.fields = make(map[string]secret.Value, len(fields))
		for name, value := range fields.All() {
			s.fields[name] = secret.New(bytes.Clone(value))
		}
		return s, nil
	}
	s.isRecord = true
	if s.record, err = parseRecord(text, want); err != nil {
		return Stored{}, err
	}
	return s, nil
}

// readMetadata reads the version, which every answer of KV v2 has and no answer of KV v1.
func (s *Stored) readMetadata(answer exactjson.Object) (destroyed bool, err error) {
	metadata, err := answer.Object("metadata")
	if err != nil {
		return false, err
	}
	if err := metadata.Read("version", &s.version); err != nil {
		return false, fmt.Errorf("metadata.%w", err)
	}
	if s.version < 1 {
		return false, fmt.Errorf("metadata.version: %d is no version", s.version)
	}
	if metadata.Has("created_time") {
		if s.created, err = metadata.Text("created_time"); err != nil {
			return false, fmt.Errorf("metadata.%w", err)
		}
	}
	if metadata.Has("destroyed") {
		if err := metadata.Read("destroyed", &destroyed); err != nil {
			return false, fmt.Errorf("metadata.%w", err)
		}
	}
	return destroyed, nil
}

// Record is the record, if that is what is stored.
func (s Stored) Record() (Record, bool) { return s.record, s.isRecord }

// Field is a plain field: a JSON string's own text, and of any other value its JSON. A null is no value. It is false for a record.
func (s Stored) Field(name string) (secret.Value, bool) {
	raw := s.fields[name].Reveal()
	if raw == nil || string(raw) == "null" {
		return secret.Value{}, false
	}
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		return secret.NewString(text), true
	}
	return secret.New(bytes.Clone(raw)), true
}

// Version is the number of the version and the time at which it was made, as Vault writes it (RFC 3339), "" where it does not say.
func (s Stored) Version() (version int, created string) { return s.version, s.created }
