package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDistributionIsTheMachinesOwn(t *testing.T) {
	const release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\n"
	for name, row := range map[string]struct {
		files          map[string]string
		sources, fault string
	}{
		"debian": {
			files:   map[string]string{"os-release": release, "apt/sources.list.d/debian.sources": "Types: deb\n", "apt/sources.list": "deb x\n"},
			sources: "apt/sources.list.d/debian.sources",
		},
		"a file of one line": {files: map[string]string{"os-release": release, "apt/sources.list": "deb x\n"}, sources: "apt/sources.list"},
		"ubuntu": {
			files:   map[string]string{"os-release": "VERSION_CODENAME=\"bookworm\"\n", "apt/sources.list.d/ubuntu.sources": "Types: deb\n", "apt/sources.list": ""},
			sources: "apt/sources.list.d/ubuntu.sources",
		},
		"only a stranger's": {files: map[string]string{"os-release": release, "apt/sources.list.d/else.list": "deb x\n"}, fault: "no sources of packages"},
		"no codename":       {files: map[string]string{"os-release": "ID=alpine\n"}, fault: "names no VERSION_CODENAME"},
		"no release":        {fault: "asking which release this machine has"},
	} {
		t.Run(name, func(t *testing.T) {
			system := t.TempDir()
			for file, content := range row.files {
				put(t, 0o644, content, system, "etc", filepath.FromSlash(file))
			}
			suite, sources, err := distribution(system)
			if row.fault != "" {
				require.ErrorIs(t, err, ErrNoRoot)
				assert.ErrorContains(t, err, row.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "bookworm", suite)
			assert.Equal(t, filepath.Join(system, "etc", filepath.FromSlash(row.sources)), sources)
		})
	}
}

func TestARootSaysWhatIsMissingAndLeavesNoHalf(t *testing.T) {
	bin, path := t.TempDir(), filepath.Join(t.TempDir(), "roots", "x.tar")
	t.Run("mmdebstrap", func(t *testing.T) {
		t.Setenv("PATH", bin)
		err := mountRoot().make(t.Context(), path, nil)
		require.ErrorIs(t, err, ErrNoRoot)
		assert.ErrorContains(t, err, "apt-get install mmdebstrap")
	})
	if _, _, err := distribution("/"); err != nil {
		t.Logf("this machine is no Debian: %v", err)
		return
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Run("a package", func(t *testing.T) {
		put(t, 0o755, "#!/bin/sh\ntouch \"$(echo \"$*\" | grep -o '[^ ]*half.tar')\"; echo no such package >&2; exit 1\n", bin, "mmdebstrap")
		err := mountRoot().make(t.Context(), path, nil)
		require.ErrorContains(t, err, `making the Debian root "mount": `)
		require.ErrorContains(t, err, "no such package")
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		assert.Empty(t, entries)
	})
	t.Run("nothing", func(t *testing.T) {
		put(t, 0o755, "#!/bin/sh\necho \"$*\" >\"$(echo \"$*\" | grep -o '[^ ]*half.tar')\"\n", bin, "mmdebstrap")
		require.NoError(t, mountRoot().make(t.Context(), path, nil))
		args, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(args), "--quiet --variant=essential --include=mount,iptables,kmod "), string(args))
	})
}
