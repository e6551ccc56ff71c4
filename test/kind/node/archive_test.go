package node

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// base is a tar file with one file in it.
func base(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "base.tar")
	file, err := os.Create(path)
	require.NoError(t, err)
	out := tar.NewWriter(file)
	require.NoError(t, out.WriteHeader(&tar.Header{Name: "./etc/base", Mode: 0o644, Size: 4}))
	_, err = out.Write([]byte("base"))
	require.NoError(t, errors.Join(err, out.Close(), file.Close()))
	return path
}

// content is what an image's file system holds, by path, and the modes.
func content(t *testing.T, archive, image string) (files map[string]string, modes map[string]int64, entrypoint []string) {
	t.Helper()
	tag, err := name.NewTag(image)
	require.NoError(t, err)
	read, err := tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err)
	config, err := read.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "linux", config.OS)
	flat := mutate.Extract(read)
	defer flat.Close()
	files, modes = map[string]string{}, map[string]int64{}
	for in := tar.NewReader(flat); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, modes, config.Config.Entrypoint
		}
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		files[header.Name], modes[header.Name] = string(text), header.Mode
	}
}

func TestAnArchiveHoldsItsImages(t *testing.T) {
	program := put(t, 0o600, "program", t.TempDir(), "p")
	archive := filepath.Join(t.TempDir(), "images.tar")
	require.NoError(t, writeArchive(archive, []Image{
		{Name: "registry.k8s.io/scratch:1", Files: map[string]string{"/usr/bin/p": program}, Entrypoint: []string{"/usr/bin/p"}},
		{Name: "registry.k8s.io/based:2", Base: base(t), Files: map[string]string{"/p": program}},
	}))
	files, modes, entrypoint := content(t, archive, "registry.k8s.io/scratch:1")
	assert.Equal(t, map[string]string{"tmp": "", "usr/bin/p": "program"}, files)
	assert.Equal(t, map[string]int64{"tmp": 0o1777, "usr/bin/p": 0o755}, modes)
	assert.Equal(t, []string{"/usr/bin/p"}, entrypoint)
	files, _, entrypoint = content(t, archive, "registry.k8s.io/based:2")
	assert.Equal(t, map[string]string{"etc/base": "base", "tmp": "", "p": "program"}, files)
	assert.Empty(t, entrypoint)
}

func TestAnArchiveSaysWhatIsWrong(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "images.tar")
	none := filepath.Join(t.TempDir(), "none")
	assert.ErrorContains(t, writeArchive(archive, []Image{{Name: "A:1"}}), `naming image "A:1": `)
	err := writeArchive(archive, []Image{{Name: "aa:1", Files: map[string]string{"/p": none}}})
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "making image aa:1: ")
	err = writeArchive(archive, []Image{{Name: "aa:1", Base: none}})
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.NoFileExists(t, archive)
}
