// Package variables replaces environment variables whose value is a secret reference by the secret's value.
//
// A variable counts as a reference when its value starts with "secret://" or "secrets://": then it must be exactly valid and promised
// to be in the volume. A value is never taken for anything else than itself, and references inside a longer text are left alone.
package variables

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var (
	// ErrReference is a variable whose reference is not valid or not promised.
	ErrReference = errors.New("variable without a secret")
	// ErrConflict is a variable that is already set to something else.
	ErrConflict = errors.New("variable is already set")
	// ErrValue is a secret that cannot be a variable's value.
	ErrValue = errors.New("secret does not fit a variable")
)

// Values is where the secrets' values are found.
type Values interface {
	// Value is ref's value; false says that there is none, which only an optional secret may lack.
	Value(ref secretref.Reference) (secret.Value, bool)
}

// Environment is a list of variables, some of them references that wait for their values. The zero value is empty.
type Environment struct {
	entries []entry
}

type entry struct {
	name string
	text string // the whole "NAME=value" as it came, for what is no reference
	ref  secretref.Reference
}

// Parse reads a list of "NAME=value", as os.Environ gives it. Every reference must be valid and promised; the error names each
// variable whose is not, and is ErrReference. The environment holds the others even then, so that more faults can be looked for.
func Parse(environ []string, promised func(secretref.Reference) bool) (Environment, error) {
	e := Environment{entries: make([]entry, 0, len(environ)+1)}
	var faults []error
	for _, text := range environ {
		name, value, _ := strings.Cut(text, "=")
		ref, err := parseValue(value)
		if err == nil && !ref.IsZero() && !promised(ref) {
			err = fmt.Errorf("%s is not promised, add --secret %s if the pod's volume holds it", ref, ref)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%w: %.200q: %w", ErrReference, name, err))
			continue
		}
		e.entries = append(e.entries, entry{name: name, text: text, ref: ref})
	}
	return e, errors.Join(faults...)
}

// parseValue is the reference that value is; zero if it is none.
func parseValue(value string) (secretref.Reference, error) {
	if !strings.HasPrefix(value, "secret://") && !strings.HasPrefix(value, "secrets://") {
		return secretref.Reference{}, nil
	}
	return secretref.Parse(value)
}

// Set gives e the variable name, unless it has it with this very value. The error, of a variable that has another value, is
// ErrConflict.
func (e *Environment) Set(name, value string) error {
	text := name + "=" + value
	found := false
	for _, existing := range e.entries {
		if existing.name != name {
			continue
		}
		if existing.text != text {
			return fmt.Errorf("%w: %s is not %q, remove it from the pod", ErrConflict, name, value)
		}
		found = true
	}
	if !found {
		e.entries = append(e.entries, entry{name: name, text: text})
	}
	return nil
}

// Fill is the environment with every reference replaced by its value, byte for byte. The variable of an absent secret is left out, as if
// it had not been set. The error names each variable that cannot hold its secret, and is ErrValue.
func (e Environment) Fill(values Values) ([]string, error) {
	environ := make([]string, 0, len(e.entries))
	var faults []error
	for _, entry := range e.entries {
		if entry.ref.IsZero() {
			environ = append(environ, entry.text)
			continue
		}
		value, found := values.Value(entry.ref)
		if !found {
			continue
		}
		if err := fits(entry.name, value); err != nil {
			faults = append(faults, fmt.Errorf("%w: %.200q: %s %w", ErrValue, entry.name, entry.ref, err))
			continue
		}
		environ = append(environ, entry.name+"="+value.RevealString())
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return environ, nil
}

// fits refuses what the kernel would cut short (a NUL ends a variable) or refuse with an error that names nothing.
func fits(name string, value secret.Value) error {
	if bytes.IndexByte(value.Reveal(), 0) >= 0 {
		return errors.New("holds a NUL byte, which no variable can: read it as a file")
	}
	// Linux's MAX_ARG_STRLEN: 32 pages for "NAME=value" and the NUL that ends it.
	if most := 32*os.Getpagesize() - len(name) - 2; value.Len() > most {
		return fmt.Errorf("is longer than the %d bytes that this variable can hold: read it as a file", most)
	}
	return nil
}
