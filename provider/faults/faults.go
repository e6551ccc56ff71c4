// Package faults gathers everything that is wrong with what somebody wrote, each fault at its field path, so that all of it can be told
// at once.
package faults

import (
	"errors"
	"fmt"
	"slices"
)

// Most is how many faults are told one by one: a text can be made of nothing else, and what is told ends in a pod's event or a terminal.
const Most = 100

// List gathers faults in the order in which they are added. Of makes one; the zero value is not for use.
type List struct {
	kind error
	told []error
	more int
}

// Of is an empty list. Each of its faults is kind (errors.Is), as well as what it is of itself.
func Of(kind error) *List { return &List{kind: kind} }

// Add adds err at a field path, such as objects[0].ref; a path of "" leaves err as it is written. No error is no fault.
func (l *List) Add(path string, err error) {
	switch {
	case err == nil:
	case len(l.told) == Most:
		l.more++
	default:
		l.told = append(l.told, &fault{kind: l.kind, path: path, err: err})
	}
}

// Addf adds what fmt.Errorf makes of format and args at a field path.
func (l *List) Addf(path, format string, args ...any) { l.Add(path, fmt.Errorf(format, args...)) }

// Len is how many faults there are, told or not.
func (l *List) Len() int { return len(l.told) + l.more }

// Err is the faults joined, a line for each of the first Most and one for all others; nil if there are none.
func (l *List) Err() error {
	if l.more == 0 {
		return errors.Join(l.told...)
	}
	return errors.Join(slices.Concat(l.told, []error{fmt.Errorf("%w: and %d faults more", l.kind, l.more)})...)
}

// fault is one thing that is wrong.
type fault struct {
	kind error
	path string
	err  error
}

// Error is the field path and what is wrong there. The kind is left to whoever tells the list: it is the same for all of it.
func (f *fault) Error() string {
	if f.path == "" {
		return f.err.Error()
	}
	return f.path + ": " + f.err.Error()
}

// Unwrap makes the fault its kind as well as what it is of itself.
func (f *fault) Unwrap() []error { return []error{f.kind, f.err} }
