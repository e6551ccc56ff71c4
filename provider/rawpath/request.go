package rawpath

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// Bounds of a request, far above what Vault's engines take.
const (
	MaxPath     = 512     // bytes
	MaxSegments = 32      //
	MaxArgs     = 32      // fields that are sent
	MaxArg      = 4 << 10 // bytes of one
)

// What Parse refuses with, one error for each rule.
var (
	ErrEmpty      = errors.New("is empty")
	ErrTooLong    = errors.New("is too long")
	ErrSegment    = errors.New(`has an empty segment, or one that is "." or ".."`)
	ErrCharacter  = errors.New("holds a character besides letters, digits and . _ - ~ @ : =")
	ErrReserved   = errors.New("is Vault's own (sys, auth, cubbyhole, identity), which no pod gets")
	ErrQuery      = errors.New(`has more than one "?", or fields after it that are not name=value`)
	ErrArgument   = errors.New("is no field to send: want a name of a-z, 0-9 and _ and a value of text without control characters")
	ErrTwice      = errors.New("is sent already, by the path")
	ErrManyFields = errors.New("has more fields to send than any engine takes")
)

// Request is a path and what is sent with it. It is comparable: two requests that are equal ask for the same. The zero value asks for
// nothing.
type Request struct {
	path string
	args string // canonical JSON of a map of strings; "" is none
}

// Parse reads a path as a class has it, without a leading slash or "v1/", and the fields that are to be sent with it. Fields may also
// stand in the path after one "?", as name=value joined by "&"; none of them may be given twice.
func Parse(text string, args map[string]string) (Request, error) {
	path, query, asked := strings.Cut(text, "?")
	segments, err := split(path)
	if err != nil {
		return Request{}, err
	}
	if reserved(segments[0]) {
		return Request{}, fmt.Errorf("%s %w", faults.Quote(path), ErrReserved)
	}
	sent := maps.Clone(args)
	if sent == nil {
		sent = map[string]string{}
	}
	if asked {
		if err := addQuery(sent, query); err != nil {
			return Request{}, fmt.Errorf("%s %w", faults.Quote(text), err)
		}
	}
	encoded, err := encode(sent)
	if err != nil {
		return Request{}, err
	}
	return Request{path: path, args: encoded}, nil
}

// With is r that sends args too. The zero Request keeps them for the path that Parse gives it.
func (r Request) With(args map[string]string) (Request, error) {
	sent := r.Args()
	if sent == nil {
		sent = map[string]string{}
	}
	for name, value := range args {
		if _, twice := sent[name]; twice {
			return Request{}, fmt.Errorf("%s: %w", faults.Quote(name), ErrTwice)
		}
		sent[name] = value
	}
	encoded, err := encode(sent)
	if err != nil {
		return Request{}, err
	}
	return Request{path: r.path, args: encoded}, nil
}

// split is the segments of a path, each of which means itself.
func split(path string) ([]string, error) {
	segments := strings.Split(path, "/")
	switch {
	case path == "":
		return nil, ErrEmpty
	case len(path) > MaxPath || len(segments) > MaxSegments:
		return nil, fmt.Errorf("%s %w: more than %d bytes or %d segments", faults.Quote(path), ErrTooLong, MaxPath, MaxSegments)
	}
	for _, segment := range segments {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return nil, fmt.Errorf("%s %w", faults.Quote(path), ErrSegment)
		case strings.ContainsFunc(segment, foreign):
			return nil, fmt.Errorf("%s %w", faults.Quote(path), ErrCharacter)
		}
	}
	return segments, nil
}

func foreign(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-~@:=", r)
}

// reserved reports whether segment is the name of one of Vault's own mounts.
func reserved(segment string) bool {
	return slices.Contains([]string{"sys", "auth", "cubbyhole", "identity"}, strings.ToLower(segment))
}

func addQuery(sent map[string]string, query string) error {
	for field := range strings.SplitSeq(query, "&") {
		name, value, found := strings.Cut(field, "=")
		// What would be another value once it is unescaped stands under args, where nothing is.
		if _, twice := sent[name]; twice || !found || name == "" || strings.ContainsFunc(value, foreign) || strings.Contains(value, "=") {
			return ErrQuery
		}
		sent[name] = value
	}
	return nil
}

func encode(args map[string]string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	if len(args) > MaxArgs {
		return "", fmt.Errorf("%w: %d, more than %d", ErrManyFields, len(args), MaxArgs)
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		value := args[name]
		if !isName(name) || len(value) > MaxArg || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return "", fmt.Errorf("%s %w", faults.Quote(name), ErrArgument)
		}
	}
	text, err := json.Marshal(args) // names sorted
	return string(text), err
}

// CheckName reports why name cannot be the name of a field that is sent.
func CheckName(name string) error {
	if !isName(name) {
		return fmt.Errorf("%s %w", faults.Quote(name), ErrArgument)
	}
	return nil
}

func isName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
}

// Path is the path, below /v1/, in segments that need no escaping; "" for the zero Request.
func (r Request) Path() string { return r.path }

// Args are the fields that are sent: a map of the caller's own, nil if there are none.
func (r Request) Args() map[string]string {
	if r.args == "" {
		return nil
	}
	var args map[string]string
	_ = json.Unmarshal([]byte(r.args), &args) // encode's own
	return args
}

// IsZero reports whether r asks for nothing.
func (r Request) IsZero() bool { return r.path == "" }

// String is the path; what is sent with it is nobody's business in an event.
func (r Request) String() string { return r.path }
