package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/install"
)

const asInstalled = "INSTALL_TEST_SAYS"

// The test's own program is what gets installed; run as the installed one it says so.
func TestMain(m *testing.M) {
	if says, ok := os.LookupEnv(asInstalled); ok {
		_, _ = os.Stdout.WriteString(says)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestSelf(t *testing.T) {
	old := syscall.Umask(0o077) // a strict umask must not keep the worker, another user, from running it
	defer syscall.Umask(old)
	folder := t.TempDir()
	leftover := filepath.Join(folder, ".gtc-exec.new")
	require.NoError(t, os.WriteFile(leftover, []byte("half of an interrupted copy"), 0o400))
	for range 2 { // an init container may run twice
		require.NoError(t, install.Self(folder))
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing but the program")
		info, err := entries[0].Info()
		require.NoError(t, err)
		assert.Equal(t, "gtc-exec", info.Name())
		assert.Equal(t, os.FileMode(0o555), info.Mode())
	}
	installed := exec.CommandContext(t.Context(), filepath.Join(folder, install.Name))
	installed.Env = []string{asInstalled + "=I run"}
	out, err := installed.Output()
	require.NoError(t, err)
	assert.Equal(t, "I run", string(out))
}

func TestSelfRefuses(t *testing.T) {
	t.Parallel()
	occupied := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(occupied, "gtc-exec", "taken"), 0o755))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, row := range []struct{ folder, message string }{
		{filepath.Join(t.TempDir(), "absent"), "no such file or directory"},
		{file, "not a directory"},
		{occupied, "rename"},
	} {
		err := install.Self(row.folder)
		require.ErrorContains(t, err, `installing into "`+row.folder+`"`)
		require.ErrorContains(t, err, row.message)
		assert.NoFileExists(t, filepath.Join(row.folder, ".gtc-exec.new"))
	}
}
