// Package atomicwriter stands in for the driver in tests: it writes a volume as the kubelet's atomic writer does, which the Secrets
// Store CSI driver uses (kubernetes, pkg/volume/util/atomic_writer.go).
package atomicwriter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Volume is a folder that is written as a whole. Only New makes one.
type Volume struct {
	folder string
}

// New makes an unwritten volume in folder, which must exist.
func New(folder string) Volume { return Volume{folder: folder} }

// Write makes files (path to contents) the volume's newest generation: a new folder, the swap of "..data", a link for each first part
// of a path, and the end of the old folder, in that order.
func (v Volume) Write(files map[string]string) error {
	generation, err := os.MkdirTemp(v.folder, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	if err := os.Chmod(generation, 0o755); err != nil { //nolint:gosec // as the atomic writer does: the worker is another user
		return err
	}
	for path, contents := range files {
		if err := writeFile(filepath.Join(generation, path), contents); err != nil {
			return err
		}
	}
	data := filepath.Join(v.folder, "..data")
	old, err := os.Readlink(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Base(generation), data+"_tmp"); err != nil {
		return err
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		return err
	}
	if err := v.link(files); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(v.folder, old))
}

func writeFile(path, contents string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as above
		return err
	}
	return os.WriteFile(path, []byte(contents), 0o644) //nolint:gosec // as above
}

func (v Volume) link(files map[string]string) error {
	for path := range files {
		first, _, _ := strings.Cut(path, "/")
		link := filepath.Join(v.folder, first)
		if _, err := os.Lstat(link); err == nil {
			continue
		}
		if err := os.Symlink(filepath.Join("..data", first), link); err != nil {
			return fmt.Errorf("linking %q: %w", first, err)
		}
	}
	return nil
}
