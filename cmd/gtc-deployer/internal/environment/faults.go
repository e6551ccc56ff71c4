package environment

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// mostFaults is how many faults are told one by one.
const mostFaults = 100

// fault is one thing that is wrong, at a field path.
type fault struct {
	path string
	err  error
}

// Error is the field path and what is wrong there.
func (f *fault) Error() string { return f.path + ": " + f.err.Error() }

// Unwrap makes every fault an ErrInvalid as well as what it is of itself.
func (f *fault) Unwrap() []error { return []error{ErrInvalid, f.err} }

// faults gathers what is wrong, in the order of the document.
type faults struct {
	list []error
	more int
}

func (f *faults) add(path string, err error) {
	switch {
	case err == nil:
	case len(f.list) == mostFaults:
		f.more++
	default:
		f.list = append(f.list, &fault{path: path, err: err})
	}
}

func (f *faults) addf(path, format string, args ...any) { f.add(path, fmt.Errorf(format, args...)) }

// err joins the faults; nil if there are none.
func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.list, fmt.Errorf("%w: and %d faults more", ErrInvalid, f.more))...)
	}
	return errors.Join(f.list...)
}

// fileName is a file's name as it stands in a field path: as it is, unless something in it could be taken for more than a name.
func fileName(name string) string {
	if plainFile.MatchString(name) {
		return name
	}
	return quote(name)
}

var plainFile = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,200}$`)

// quote shows hostile text on one line, and no more of it than helps.
func quote(text string) string {
	const most = 200
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
