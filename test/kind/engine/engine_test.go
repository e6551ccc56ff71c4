package engine

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnerIsTheProcessThatListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()
	pid, err := owner(socket)
	require.NoError(t, err)
	assert.Equal(t, os.Getpid(), pid)
	_, err = owner(socket + "none")
	assert.ErrorContains(t, err, "connecting to the engine: ")
}

func TestLacksIsWhatTheKernelSays(t *testing.T) {
	all, err := lacks(os.Getpid())
	require.NoError(t, err)
	// A process that gives one up lacks one more, unless nobody here has it.
	lesser := exec.Command("setpriv", "--bounding-set=-chown", "sleep", "1000")
	if os.Geteuid() != 0 {
		lesser = exec.Command("unshare", "--user", "--map-root-user", "setpriv", "--bounding-set=-chown", "sleep", "1000")
	}
	require.NoError(t, lesser.Start())
	defer func() {
		require.NoError(t, lesser.Process.Kill())
		assert.Error(t, lesser.Wait())
	}()
	require.Eventually(t, func() bool {
		less, err := lacks(lesser.Process.Pid)
		return err == nil && strings.Contains(strings.Join(less, " "), "CAP_CHOWN") && len(less) >= len(all)
	}, wait, again)
	_, err = lacks(1 << 30)
	assert.ErrorContains(t, err, "reading the capabilities of process 1073741824: ")
}

const wait = 5 * time.Second

// machine puts scripts before the programs of this machine.
func machine(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	t.Setenv("PATH", dir)
}

func TestOpenTakesTheMachinesEngineUnlessSomethingSpeaksAgainstIt(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()
	missing, err := lacks(os.Getpid()) // this process plays the engine
	require.NoError(t, err)

	answering := func(host string) string {
		return `if [ "$1" = context ]; then echo ` + host + `; else echo 20.10.24; fi`
	}
	for name, row := range map[string]struct {
		docker string
		fit    bool
	}{
		"far away":                     {answering("tcp://example.com:2376"), true},
		"its socket is nobody's":       {answering("unix:///none"), true},
		"it has what this process has": {answering("unix://" + socket), len(missing) == 0},
		"it does not say where it is":  {`if [ "$1" = context ]; then exit 1; fi; echo 20.10.24`, true},
		"it does not answer":           {`echo "Cannot connect to the Docker daemon" >&2; exit 1`, false},
	} {
		t.Run(name, func(t *testing.T) {
			machine(t, map[string]string{"docker": row.docker})
			var said strings.Builder
			e, err := Open(t.Context(), Options{Dir: t.TempDir(), Progress: &said})
			if row.fit {
				require.NoError(t, err)
				assert.Equal(t, "using the machine's docker engine\n", said.String())
				assert.False(t, e.Private())
				assert.Empty(t, e.Host())
				require.NoError(t, e.Keep())
				require.NoError(t, e.Close(t.Context()))
				return
			}
			require.ErrorIs(t, err, ErrNone)
			require.ErrorContains(t, err, "dockerd is not on PATH: install the package docker.io")
			require.ErrorContains(t, err, "ip is not on PATH: install the package iproute2")
			if name == "it does not answer" {
				assert.ErrorContains(t, err, "Cannot connect to the Docker daemon")
			} else {
				assert.ErrorContains(t, err, "its process has no "+missing[0])
			}
		})
	}
	t.Run("no docker at all", func(t *testing.T) {
		machine(t, nil)
		_, err := Open(t.Context(), Options{Dir: t.TempDir()})
		require.ErrorIs(t, err, ErrNone)
		assert.ErrorContains(t, err, "install docker")
	})
}

func TestAPrivateEnginesConfigurationTouchesNothingOfTheMachines(t *testing.T) {
	dir := t.TempDir()
	p := &private{state: filepath.Join(dir, "gtc-kind-0a1b2c3d")}
	require.NoError(t, p.configure(Options{Dir: filepath.Join(dir, "cache"), Runtime: "/a/runtime"}))
	text, err := os.ReadFile(filepath.Join(p.state, "daemon.json"))
	require.NoError(t, err)
	var daemon map[string]any
	require.NoError(t, json.Unmarshal(text, &daemon))
	for key, want := range map[string]any{
		"hosts": []any{"unix://" + p.state + "/docker.sock"}, "pidfile": p.state + "/docker.pid", "exec-root": p.state + "/docker",
		"data-root": dir + "/cache/engine/docker", "containerd": p.state + "/containerd.sock", "bridge": "gtc0a1b2c3d", "iptables": false,
		"default-runtime": "restricted", "runtimes": map[string]any{"restricted": map[string]any{"path": "/a/runtime"}},
	} {
		assert.Equal(t, want, daemon[key], key)
	}
	toml, err := os.ReadFile(filepath.Join(p.state, "containerd.toml"))
	require.NoError(t, err)
	for _, line := range []string{
		`root = "` + dir + `/cache/engine/containerd"`, `state = "` + p.state + `/containerd"`, `address = "` + p.state + `/containerd.sock"`,
	} {
		assert.Contains(t, string(toml), line)
	}
}

func TestEachDataFolderHasAStateOfItsOwn(t *testing.T) {
	assert.Equal(t, stateDir("/a"), stateDir("/a"))
	assert.NotEqual(t, stateDir("/a"), stateDir("/b"))
	p := &private{state: stateDir("/a")}
	assert.Less(t, len(p.bridge()+"n"), 16, "the kernel takes no longer name")
}

func TestLendSetsTheHostForOthersAndGivesItBack(t *testing.T) {
	e := &Engine{host: "unix:///s"}
	t.Run("where one was set", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///machine")
		giveBack, err := e.Lend()
		require.NoError(t, err)
		assert.Equal(t, "unix:///s", os.Getenv("DOCKER_HOST"))
		giveBack()
		assert.Equal(t, "unix:///machine", os.Getenv("DOCKER_HOST"))
	})
	t.Run("where none was", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "") // so that the test's end restores it
		require.NoError(t, os.Unsetenv("DOCKER_HOST"))
		giveBack, err := e.Lend()
		require.NoError(t, err)
		giveBack()
		_, set := os.LookupEnv("DOCKER_HOST")
		assert.False(t, set)
	})
	t.Run("the machine's own", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///machine")
		giveBack, err := (&Engine{}).Lend()
		require.NoError(t, err)
		assert.Equal(t, "unix:///machine", os.Getenv("DOCKER_HOST"))
		giveBack()
	})
}

func TestACommandsComplaintsAreInItsError(t *testing.T) {
	machine(t, map[string]string{"docker": `echo "$DOCKER_HOST $DOCKER_BUILDKIT $*"; echo "no such image" >&2; exit 4`})
	out, err := (&Engine{host: "unix:///s"}).Docker(t.Context(), "image", "inspect", "a:b")
	assert.Equal(t, "unix:///s 0 image inspect a:b\n", string(out))
	require.EqualError(t, err, "docker image inspect: exit status 4\nno such image")
}
