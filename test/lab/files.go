package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// File is one file of a volume.
type File struct {
	// Path below the volume.
	Path string
	// Mode are its permission bits.
	Mode fs.FileMode
	// Size in bytes.
	Size int64
	// ModTime is when it was written.
	ModTime time.Time
}

// Path is where a path below the volume can be read from outside of the node; without one, the volume itself.
func (v *Volume) Path(parts ...string) string {
	return v.kubelet.lab.node.Path(filepath.Join(append([]string{v.Target()}, parts...)...))
}

// Read reads a file of the volume as a worker would, through the links that the driver turns over as it writes.
func (v *Volume) Read(name string) ([]byte, error) {
	content, err := os.ReadFile(v.Path(name))
	if err != nil {
		return nil, fmt.Errorf("reading a file of the volume: %w", err)
	}
	return content, nil
}

// Files are the files that the volume shows now, by path. A volume into which nothing was ever written has none.
func (v *Volume) Files() ([]File, error) {
	// "..data" is the driver's relative link to the folder that holds what was written last. filepath.EvalSymlinks would also resolve the kernel's
	// link to the node's root, and so leave the node.
	link, err := os.Readlink(v.Path("..data"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the volume: %w", err)
	}
	var files []File
	root := v.Path(link)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files = append(files, File{Path: filepath.ToSlash(name), Mode: info.Mode().Perm(), Size: info.Size(), ModTime: info.ModTime()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the volume: %w", err)
	}
	return files, nil
}
