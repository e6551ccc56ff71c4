package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is a container image of a few files: no Dockerfile, no engine, no registry.
type Image struct {
	// Name with its tag.
	Name string
	// Base is a tar file with a whole file system, or empty for none.
	Base string
	// Files are files of this machine by their path in the image. All are executable.
	Files map[string]string
	// Entrypoint may be empty: then a pod names its command.
	Entrypoint []string
}

// writeArchive writes images into one file, as docker load and ctr images import read it. Nothing is compressed: it is read once, on this machine.
func writeArchive(file string, images []Image) error {
	archive := map[name.Reference]v1.Image{}
	for _, image := range images {
		reference, err := name.NewTag(image.Name)
		if err != nil {
			return fmt.Errorf("naming image %q: %w", image.Name, err)
		}
		if archive[reference], err = image.make(); err != nil {
			return fmt.Errorf("making image %s: %w", image.Name, err)
		}
	}
	if err := tarball.MultiRefWriteToFile(file, archive); err != nil {
		return fmt.Errorf("writing the images' archive: %w", err)
	}
	return nil
}

func (i Image) make() (v1.Image, error) {
	var layers []v1.Layer
	if i.Base != "" {
		base, err := layer(func() (io.ReadCloser, error) { return os.Open(i.Base) })
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", i.Base, err)
		}
		layers = append(layers, base)
	}
	files, err := i.pack()
	if err != nil {
		return nil, err
	}
	own, err := layer(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return nil, err
	}
	made, err := mutate.AppendLayers(empty.Image, append(layers, own)...)
	if err != nil {
		return nil, err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	config.Config.Entrypoint, config.Config.WorkingDir = i.Entrypoint, "/"
	return mutate.ConfigFile(made, config)
}

func layer(open tarball.Opener) (v1.Layer, error) {
	return tarball.LayerFromOpener(open, tarball.WithCompressionLevel(gzip.NoCompression))
}

// pack is the image's own files as a tar file: always the same for the same files. A folder /tmp is always there.
func (i Image) pack() ([]byte, error) {
	var packed bytes.Buffer
	out := tar.NewWriter(&packed)
	if err := out.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(i.Files))
	for inside := range i.Files {
		paths = append(paths, inside)
	}
	slices.Sort(paths)
	for _, inside := range paths {
		content, err := os.ReadFile(i.Files[inside])
		if err != nil {
			return nil, err
		}
		header := &tar.Header{Name: path.Clean(inside)[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(content); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
