package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// ErrNoKey is a secret without the field that an object wants.
var ErrNoKey = errors.New("the secret has no such field")

// DefaultField is the field of a plain KV secret that an object without a key wants.
const DefaultField = "value"

// EmptyFile is written where every object is optional and absent: the driver takes a response without files for one whose files
// somebody else has written.
const EmptyFile = ".greentic-empty"

// Files makes the files of objects out of what was found for each, in their order. An optional secret that is absent makes none. All
// faults are reported at once, each with the field path of its object.
func Files(versions Versions, objects []params.Object, found []fetch.Found) ([]mount.File, error) {
	files := make([]mount.File, 0, len(objects))
	var faults []error
	for i, o := range objects {
		if found[i].IsAbsent() {
			continue
		}
		contents, err := contents(o, found[i])
		switch {
		case err == nil:
			files = append(files, mount.File{
				Path: o.Path(), Mode: o.FileMode(), Contents: contents, Version: versions.of(o, found[i], contents),
			})
		case !o.Optional:
			faults = append(faults, fmt.Errorf("objects[%d].key: %q: %w", i, name(found[i]), err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(files) == 0 {
		return []mount.File{{Path: EmptyFile, Mode: params.DefaultMode, Version: "empty"}}, nil
	}
	return files, nil
}

func contents(o params.Object, f fetch.Found) (secret.Value, error) {
	if !f.Path.IsZero() {
		return issuedField(o.Key, f.Issued.Data)
	}
	if _, ok := f.Stored.Record(); !ok {
		return plainField(o.Key, f)
	}
	if o.Key == "" {
		return f.Value, nil
	}
	return recordField(o.Key, f.Value)
}

// name is what a person calls what was found.
func name(f fetch.Found) string {
	if !f.Path.IsZero() {
		return f.Path.Request().String()
	}
	return f.Reference.String()
}

func plainField(key string, f fetch.Found) (secret.Value, error) {
	if key == "" {
		key = DefaultField
	}
	value, ok := f.Stored.Field(key)
	if !ok {
		return secret.Value{}, fmt.Errorf("%w: %q; name one that it has with key", ErrNoKey, key)
	}
	return value, nil
}

func recordField(key string, value secret.Value) (secret.Value, error) {
	raw, err := field(key, value)
	if err != nil {
		return secret.Value{}, err
	}
	return textOrJSON(raw), nil
}

// issuedField is a field of what Vault answers on a raw path. A list of texts, as which Vault answers a certificate's chain, is one text,
// each of them on lines of its own.
func issuedField(key string, data secret.Value) (secret.Value, error) {
	if key == "" {
		return secret.New(bytes.Clone(data.Reveal())), nil
	}
	raw, err := field(key, data)
	if err != nil {
		return secret.Value{}, err
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		return secret.NewString(strings.Join(texts, "\n")), nil
	}
	return textOrJSON(raw), nil
}

func field(key string, value secret.Value) (json.RawMessage, error) {
	fields, err := exactjson.Parse(value.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %q: its value is %w; leave key out for the whole value", ErrNoKey, key, err)
	}
	if !fields.Has(key) {
		return nil, fmt.Errorf("%w: %q; name one that it has", ErrNoKey, key)
	}
	return fields.Raw(key), nil
}

func textOrJSON(raw json.RawMessage) secret.Value {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return secret.NewString(text)
	}
	return secret.New(bytes.Clone(raw))
}
