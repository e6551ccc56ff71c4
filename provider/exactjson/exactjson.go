// Package exactjson reads JSON objects by the exact names of their fields.
//
// encoding/json takes "Sub" for "sub", and of two fields of one name the last. Where identity and keys are at stake another reader of
// the same bytes may choose otherwise, and then the two of them have seen different things. Here a name is what it is, a name that
// stands twice is a fault, and null is the same as absent. No error of this package holds anything of the input but the names that the
// caller asked for.
package exactjson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// The ways in which an object is not what its reader asks for.
var (
	ErrObject  = errors.New("not one JSON object")
	ErrTwice   = errors.New("a field stands twice")
	ErrMissing = errors.New("is missing")
	ErrType    = errors.New("is of another type")
	ErrUnknown = errors.New("an unknown field")
)

// Object is a JSON object: its fields' values, not yet read, in the order of their names; nil is one without fields. A field of type
// Object is read in the same exact way.
type Object []field

type field struct {
	name  []byte // a part of the text, unless it is written with escapes
	value json.RawMessage
}

// Parse reads data, which must be one object and nothing after it. Names and values are parts of data, not copies: it must stay as it is
// while they are in use.
func Parse(data []byte) (Object, error) {
	var room [16]field // on the stack; an object has no more memory than its fields need
	fields := room[:0]
	s := scanner{text: data}
	ok := s.object(func(name, value []byte) { fields = append(fields, field{inside(name), value}) })
	if s.space(); !ok || s.at != len(data) {
		return nil, ErrObject
	}
	o := make(Object, len(fields))
	copy(o, fields)
	slices.SortFunc(o, func(a, b field) int { return bytes.Compare(a.name, b.name) })
	for i := range o {
		if i > 0 && bytes.Equal(o[i].name, o[i-1].name) {
			return nil, ErrTwice
		}
	}
	return o, nil
}

// UnmarshalJSON is Parse of a copy.
func (o *Object) UnmarshalJSON(data []byte) error {
	object, err := Parse(bytes.Clone(data))
	if err != nil {
		return err
	}
	*o = object
	return nil
}

// Raw is the field's JSON, or nil if it is absent; null is not absent here.
func (o Object) Raw(name string) json.RawMessage {
	i, found := slices.BinarySearchFunc(o, name, func(f field, name string) int { return cmp.Compare(string(f.name), name) })
	if !found {
		return nil
	}
	return o[i].value
}

// All are the fields, those that are null too, in the order of their names.
func (o Object) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, f := range o {
			if !yield(string(f.name), f.value) {
				return
			}
		}
	}
}

// Has reports whether o has the field and it is not null.
func (o Object) Has(name string) bool {
	value := o.Raw(name)
	return value != nil && string(value) != "null"
}

// Read decodes the field into what into points to: a scalar, an Object, or slices of them. A struct would bring back the inexact names,
// so it has no place here. An absent field is ErrMissing, one of another type ErrType.
func (o Object) Read(name string, into any) error {
	if !o.Has(name) {
		return fmt.Errorf("%s: %w", name, ErrMissing)
	}
	value := o.Raw(name)
	if scalar(value, into) {
		return nil
	}
	err := json.Unmarshal(value, into)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTwice):
		return fmt.Errorf("%s: %w", name, ErrTwice)
	default:
		return fmt.Errorf("%s: %w", name, ErrType)
	}
}

// Text is Read of a string.
func (o Object) Text(name string) (string, error) {
	value := o.Raw(name)
	if len(value) == 0 || value[0] != '"' {
		var other string
		return "", o.Read(name, &other)
	}
	return unquote(value), nil
}

// Bytes is Text as bytes, for what must not be copied without need: a part of the same text where it stands there as it is.
func (o Object) Bytes(name string) ([]byte, error) {
	value := o.Raw(name)
	if len(value) == 0 || value[0] != '"' {
		_, err := o.Text(name)
		return nil, err
	}
	return inside(value), nil
}

// Object is Read of an Object; its values are parts of the same text.
func (o Object) Object(name string) (Object, error) {
	value := o.Raw(name)
	if len(value) == 0 || value[0] != '{' {
		var other Object
		return nil, o.Read(name, &other)
	}
	object, err := Parse(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return object, nil
}

// Only is ErrUnknown if o has a field that is none of names.
func (o Object) Only(names ...string) error {
	for _, f := range o {
		if !slices.Contains(names, string(f.name)) {
			return ErrUnknown
		}
	}
	return nil
}
