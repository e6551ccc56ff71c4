package params

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Encode writes p as a class's parameters. It is Decode's inverse, and the same p always makes the same text. A p that Decode would
// refuse is refused with Decode's error.
func Encode(p Params) (map[string]string, error) {
	list := make([]written, len(p.Objects))
	for i, o := range p.Objects {
		list[i] = write(o)
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(list); err != nil {
		return nil, fmt.Errorf("objects: %w: %w", ErrInvalid, err)
	}
	attributes := map[string]string{"scope": p.Scope.String(), "objects": text.String()}
	if p.Vault != "" {
		attributes["vault"] = p.Vault
	}
	if p.Refresh != 0 {
		attributes["refreshInterval"] = FormatRefresh(p.Refresh)
	}
	if _, err := Decode(attributes); err != nil {
		return nil, err
	}
	return attributes, nil
}

// written is an object in YAML, its fields in the table's order.
type written struct {
	Ref      string            `yaml:"ref,omitempty"`
	Raw      string            `yaml:"path,omitempty"`
	Args     map[string]string `yaml:"args,omitempty"`
	File     string            `yaml:"file,omitempty"`
	Mode     string            `yaml:"mode,omitempty"`
	Key      string            `yaml:"key,omitempty"`
	Optional bool              `yaml:"optional,omitempty"`
	Fallback string            `yaml:"fallback,omitempty"`
}

func write(o Object) written {
	w := written{Raw: o.Raw.Path(), Args: o.Raw.Args(), File: o.File, Key: o.Key, Optional: o.Optional}
	if !o.Ref.IsZero() {
		w.Ref = o.Ref.String()
	}
	if o.Mode != 0 {
		w.Mode = fmt.Sprintf("%04o", uint32(o.Mode))
	}
	if o.Fallback {
		w.Fallback = "tenant"
	}
	return w
}
