//go:build linux

package devstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrPlace is a path where no dev-store may be written.
var ErrPlace = errors.New("no place for a dev-store")

// Place is where a dev-store goes: a file in a folder that lives in memory. Only Find makes one.
type Place struct {
	root *os.Root
	name string
}

// Find checks that a dev-store may be written to path, which must be absolute and clean: its folder must exist and be a tmpfs or ramfs.
// A dev-store's encryption is a formality (its key is public unless one is set), so a copy on a disk would be the secrets on a disk.
// The error is ErrPlace. A Place that is no longer used is closed.
func Find(path string) (*Place, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return nil, fmt.Errorf("%w: %q is not an absolute, clean path", ErrPlace, path)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%w: %w, mount an emptyDir with medium Memory there", ErrPlace, err)
	}
	if err := inMemory(root); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: folder %q %w", ErrPlace, filepath.Dir(path), err), root.Close())
	}
	return &Place{root: root, name: filepath.Base(path)}, nil
}

// inMemory asks about the very folder that will be written to, not about whatever its path names a moment later.
func inMemory(root *os.Root) error {
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // it is only asked about
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(folder.Fd()), &stat); err != nil {
		return fmt.Errorf("cannot be asked for its file system: %w", err)
	}
	switch uint32(stat.Type) { //nolint:gosec // the kernel's number has 32 bits, the field's width differs by architecture
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return nil
	}
	return errors.New("is not memory-backed and secrets must not reach a disk, mount an emptyDir with medium Memory there")
}

// Close lets the place go; what was written stays.
func (p *Place) Close() error { return p.root.Close() }

// write replaces the file in one step, mode 0600: a reader finds the old contents or the new, whole.
func (p *Place) write(contents []byte) error {
	// One fixed name, so that an interrupted run leaves nothing that stays.
	temporary := "." + p.name + ".new"
	if err := p.root.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := p.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err = errors.Join(err, f.Close()); err == nil {
		err = p.root.Rename(temporary, p.name)
	}
	if err != nil {
		return errors.Join(err, p.root.Remove(temporary))
	}
	return nil
}
