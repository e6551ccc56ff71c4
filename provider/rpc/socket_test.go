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
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func TestTheSocketIsTheOwnersOnly(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), fine, rpc.Options{})
	found, err := os.Lstat(r.Endpoint)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSocket|0o600, found.Mode())
	rest, err := os.ReadDir(filepath.Dir(r.Endpoint))
	require.NoError(t, err)
	assert.Len(t, rest, 1, "nothing else is left in the driver's folder")
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := rpctest.Endpoint(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())
	r := start(t, path, fine, rpc.Options{})
	require.NoError(t, r.mount())
	r.End(t)
	assert.NoFileExists(t, path)
}

func TestASuccessorsSocketStays(t *testing.T) {
	path := rpctest.Endpoint(t)
	old := start(t, path, fine, rpc.Options{})
	require.NoError(t, old.mount())
	successor := start(t, path, fine, rpc.Options{})
	require.NoError(t, old.mount(), "who is connected stays so")
	old.End(t)
	assert.FileExists(t, path)
	require.NoError(t, successor.mount())
	_, err := v1alpha1.NewCSIDriverProviderClient(rpctest.Dial(t, path)).Version(t.Context(), nil)
	require.NoError(t, err)
	successor.End(t)
	assert.NoFileExists(t, path)
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := rpctest.Endpoint(t)
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	err := rpc.Serve(t.Context(), rpc.Options{Endpoint: path, Service: service{mount: fine}})
	assert.ErrorContains(t, err, "there is something that is not a socket")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
}

func TestASocketThatSomebodyRemovedIsNoFault(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), fine, rpc.Options{})
	require.NoError(t, os.Remove(r.Endpoint))
	r.End(t)
}

// TestAStrangerIsRefused needs another user than the provider's, and so only root can run it whole; who may connect is also a table of
// its own, in peer_internal_test.go.
func TestAStrangerIsRefused(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), fine, rpc.Options{})
	if os.Geteuid() != 0 {
		require.NoError(t, r.mount())
		return
	}
	for folder := filepath.Dir(r.Endpoint); folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		require.NoError(t, os.Chmod(folder, 0o755))
	}
	require.NoError(t, os.Chmod(r.Endpoint, 0o666))
	program, err := os.Executable()
	require.NoError(t, err)
	stranger := filepath.Join(filepath.Dir(r.Endpoint), "stranger")
	copyFile(t, program, stranger)
	command := exec.CommandContext(t.Context(), stranger, "-test.run=TestStrangerProcess", "-test.v")
	command.Env = []string{"STRANGERS_SOCKET=" + r.Endpoint}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "hung up on")
	assert.Contains(t, r.Log.String(), "its user is 65534, neither root nor the provider's own")
	require.NoError(t, r.mount())
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
