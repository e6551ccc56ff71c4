//go:build linux

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
)

var (
	// ErrNotFound is a program that does not exist.
	ErrNotFound = errors.New("program not found")
	// ErrNotExecutable is a program that exists and cannot be run.
	ErrNotExecutable = errors.New("program cannot be executed")
)

// Program is a file to run and its arguments. Only Find makes one that can be run.
type Program struct {
	path string
	args []string
}

// Find looks for the program that command starts with, in PATH if it has no slash. The rest of command are its arguments. The error is
// ErrNotFound or ErrNotExecutable.
func Find(command []string) (Program, error) {
	if len(command) == 0 {
		return Program{}, fmt.Errorf("%w: none is named", ErrNotFound)
	}
	path, err := exec.LookPath(command[0])
	switch {
	case err == nil:
		return Program{path: path, args: command}, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return Program{}, fmt.Errorf("%w: %q is neither a file of this image nor in PATH", ErrNotFound, command[0])
	}
	return Program{}, fmt.Errorf("%w: %w", ErrNotExecutable, err)
}
