// Package secret is a value that cannot be printed.
//
// A Value shows as "[redacted]" under every verb of fmt, in JSON and other text encodings, in slog, in errors and in panics. The only
// way to its bytes is Reveal, which a reviewer can search for.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Value prints as.
const Redacted = "[redacted]"

// Value is a secret: a credential, a token, a key. The zero value is an empty secret.
type Value struct {
	// Two pointers deep, because fmt prints an unexported field of somebody's struct without asking its methods, and with a verb that
	// does not suit a pointer (%s) it follows the first one. At the second it has nothing left but an address.
	held *held
}

type held struct{ bytes *[]byte }

// New makes a Value of b and keeps b itself: the caller gives it away.
func New(b []byte) Value { return Value{held: &held{bytes: &b}} }

// NewString makes a Value of a copy of s.
func NewString(s string) Value { return New([]byte(s)) }

// Reveal is the secret's bytes, not a copy: whoever calls it answers for where they go.
func (v Value) Reveal() []byte {
	if v.held == nil {
		return nil
	}
	return *v.held.bytes
}

// RevealString is Reveal as a string.
func (v Value) RevealString() string { return string(v.Reveal()) }

// Len is the secret's length in bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// IsEmpty reports whether there is nothing in it.
func (v Value) IsEmpty() bool { return v.Len() == 0 }

// Equal compares in a time that depends only on the lengths.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare(v.Reveal(), other.Reveal()) == 1
}

// Wipe overwrites the bytes with zeros; every copy of v is empty afterwards.
func (v Value) Wipe() {
	if v.held == nil {
		return
	}
	clear(*v.held.bytes)
	*v.held.bytes = nil
}

// Format prints Redacted whatever the verb and its flags are.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String is Redacted.
func (v Value) String() string { return Redacted }

// GoString is Redacted.
func (v Value) GoString() string { return Redacted }

// LogValue is Redacted.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText is Redacted; it serves JSON, YAML and XML.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
