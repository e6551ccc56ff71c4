package rpc_test

import (
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
)

func TestTheSocketIsTheOwnersOnly(t *testing.T) {
	r := start(t, endpoint(t), fine, rpc.Options{})
	defer r.end(t)
	found, err := os.Lstat(r.endpoint)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSocket|0o600, found.Mode())
	rest, err := os.ReadDir(filepath.Dir(r.endpoint))
	require.NoError(t, err)
	assert.Len(t, rest, 1, "nothing else is left in the driver's folder")
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := endpoint(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())
	r := start(t, path, fine, rpc.Options{})
	require.NoError(t, r.mount(t))
	r.end(t)
	assert.NoFileExists(t, path)
}

func TestASuccessorsSocketStays(t *testing.T) {
	path := endpoint(t)
	old := start(t, path, fine, rpc.Options{})
	require.NoError(t, old.mount(t))
	successor := start(t, path, fine, rpc.Options{})
	require.NoError(t, old.mount(t), "who is connected stays so")
	old.end(t)
	assert.FileExists(t, path)
	require.NoError(t, successor.mount(t))
	conn, client := dial(t, path)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err := client.Version(t.Context(), nil)
	require.NoError(t, err)
	successor.end(t)
	assert.NoFileExists(t, path)
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := endpoint(t)
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	err := rpc.Serve(t.Context(), rpc.Options{Endpoint: path, Service: service{mount: fine}})
	assert.ErrorContains(t, err, "there is something that is not a socket")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
}

func TestASocketThatSomebodyRemovedIsNoFault(t *testing.T) {
	r := start(t, endpoint(t), fine, rpc.Options{})
	require.NoError(t, os.Remove(r.endpoint))
	r.end(t)
}

// TestAStrangerIsRefused needs another user than the provider's, and so only root can run it whole; who may connect is also a table of
// its own, in peer_internal_test.go.
func TestAStrangerIsRefused(t *testing.T) {
	r := start(t, endpoint(t), fine, rpc.Options{})
	defer r.end(t)
	if os.Geteuid() != 0 {
		require.NoError(t, r.mount(t))
		return
	}
	for folder := filepath.Dir(r.endpoint); folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		require.NoError(t, os.Chmod(folder, 0o755))
	}
	require.NoError(t, os.Chmod(r.endpoint, 0o666))
	program, err := os.Executable()
	require.NoError(t, err)
	stranger := filepath.Join(filepath.Dir(r.endpoint), "stranger")
	copyFile(t, program, stranger)
	command := exec.CommandContext(t.Context(), stranger, "-test.run=TestStrangerProcess", "-test.v")
	command.Env = []string{"STRANGERS_SOCKET=" + r.endpoint}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "hung up on")
	assert.Contains(t, r.log.String(), "its user is 65534, neither root nor the provider's own")
	require.NoError(t, r.mount(t))
}

// TestStrangerProcess is the stranger's side of TestAStrangerIsRefused.
func TestStrangerProcess(t *testing.T) {
	path := os.Getenv("STRANGERS_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.ReadAll(conn)
	if err == nil || strings.Contains(err.Error(), "reset") {
		t.Log("hung up on")
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o755))
}
