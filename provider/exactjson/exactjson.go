// Package exactjson reads JSON objects by the exact names of their fields.
//
// encoding/json takes "Sub" for "sub", and of two fields of one name the last. Where identity and keys are at stake another reader of
// the same bytes may choose otherwise, and then the two of them have seen different things. Here a name is what it is, a name that
// stands twice is a fault, and null is the same as absent. No error of this package holds anything of the input but the names that the
// caller asked for.
package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

// Object is a JSON object: its fields' values, not yet read, by their names. A field of type Object is read in the same exact way.
type Object map[string]json.RawMessage

// Parse reads data, which must be one object and nothing after it.
func Parse(data []byte) (Object, error) {
	if !json.Valid(data) {
		return nil, ErrObject
	}
	return split(bytes.Clone(bytes.TrimSpace(data)))
}

// UnmarshalJSON is Parse.
func (o *Object) UnmarshalJSON(data []byte) error {
	object, err := Parse(data)
	if err != nil {
		return err
	}
	*o = object
	return nil
}

// Has reports whether o has the field and it is not null.
func (o Object) Has(name string) bool {
	value, ok := o[name]
	return ok && !bytes.Equal(value, []byte("null"))
}

// Read decodes the field into what into points to: a scalar, an Object, or slices of them. A struct would bring back the inexact names,
// so it has no place here. An absent field is ErrMissing, one of another type ErrType.
func (o Object) Read(name string, into any) error {
	if !o.Has(name) {
		return fmt.Errorf("%s: %w", name, ErrMissing)
	}
	err := read(o[name], into)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTwice):
		return fmt.Errorf("%s: %w", name, ErrTwice)
	default:
		return fmt.Errorf("%s: %w", name, ErrType)
	}
}

// read spares the common types a second look at a text that is known to be valid.
func read(text json.RawMessage, into any) (err error) {
	switch into := into.(type) {
	case *Object:
		*into, err = split(text)
	case *string:
		if text[0] != '"' {
			return ErrType
		}
		*into, err = unquote(text)
	default:
		err = json.Unmarshal(text, into)
	}
	return err
}

// Text is the field as a string.
func (o Object) Text(name string) (string, error) {
	var text string
	err := o.Read(name, &text)
	return text, err
}

// Object is the field as an object.
func (o Object) Object(name string) (Object, error) {
	var object Object
	err := o.Read(name, &object)
	return object, err
}

// Only is ErrUnknown if o has a field that is none of names.
func (o Object) Only(names ...string) error {
	for name := range o {
		if !slices.Contains(names, name) {
			return ErrUnknown
		}
	}
	return nil
}
