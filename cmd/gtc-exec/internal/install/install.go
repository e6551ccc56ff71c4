// Package install puts a program's own file where another container of the pod finds it.
package install

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Name is the installed file's name.
const Name = "gtc-exec"

// temporary is the file's name until it is whole. It is one fixed name, so that an interrupted run leaves nothing that stays.
const temporary = "." + Name + ".new"

// Self copies the running program to folder/gtc-exec, mode 0555, in one step: whoever looks finds the old file or the whole new one.
// The folder must exist.
func Self(folder string) error {
	// The kernel's link to the running file, which stays right when the path that we were started by does not.
	source, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("installing into %q: opening the own program: %w", folder, err)
	}
	defer func() { _ = source.Close() }() // it is only read from
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("installing into %q: %w", folder, err)
	}
	defer func() { _ = root.Close() }() // every file in it is closed by itself
	if err := replace(root, source); err != nil {
		return fmt.Errorf("installing into %q: %w", folder, errors.Join(err, ignoreAbsent(root.Remove(temporary))))
	}
	return nil
}

func replace(root *os.Root, source io.Reader) error {
	if err := ignoreAbsent(root.Remove(temporary)); err != nil {
		return err
	}
	target, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	// After the writing, and told outright, because what OpenFile is told goes through the umask.
	err = errors.Join(err, target.Chmod(0o555), target.Close())
	if err != nil {
		return err
	}
	return root.Rename(temporary, Name)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
