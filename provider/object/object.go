package object

import (
	"encoding/json"
	"errors"
	"fmt"

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
			faults = append(faults, fmt.Errorf("objects[%d].key: %q: %w", i, found[i].Reference, err))
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
	if _, ok := f.Stored.Record(); !ok {
		return plainField(o.Key, f)
	}
	if o.Key == "" {
		return f.Value, nil
	}
	return recordField(o.Key, f.Value)
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
	fields, err := exactjson.Parse(value.Reveal())
	if err != nil {
		return secret.Value{}, fmt.Errorf("%w: %q: its value is %w; leave key out for the whole value", ErrNoKey, key, err)
	}
	if !fields.Has(key) {
		return secret.Value{}, fmt.Errorf("%w: %q; name one that it has", ErrNoKey, key)
	}
	var text string
	if json.Unmarshal(fields[key], &text) == nil {
		return secret.NewString(text), nil
	}
	return secret.New(fields[key]), nil
}
