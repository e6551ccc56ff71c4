package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is a keeper whose programs are scripts that write down what they are told. The real ones take root and a machine that can run containers:
// the cluster's own tests have them.
type kept struct {
	*private
	dir string
}

// programs are the scripts. The two daemons end when they are asked to, and say so.
func programs() map[string]string {
	daemon := `trap 'echo $0 ends >>$NOTES; exit 0' TERM; echo $0 "$@" >>$NOTES; while true; do sleep 0.01; done`
	return map[string]string{
		"containerd": daemon, "dockerd": daemon,
		"docker": `echo $0 $DOCKER_HOST "$@" >>$NOTES; if [ "$1" = ps ]; then echo one; echo two; fi`,
		"ip":     `echo $0 "$@" >>$NOTES`,
	}
}

func start(t *testing.T) kept {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("NOTES", filepath.Join(dir, "notes"))
	k := kept{private: &private{state: filepath.Join(dir, "gtc-kind-test")}, dir: dir}
	data := filepath.Join(dir, "data")
	require.NoError(t, os.MkdirAll(filepath.Join(data, "docker", "network", "files"), 0o700))
	require.NoError(t, k.configure(Options{Dir: dir, Runtime: "/a/runtime"}))
	require.NoError(t, k.start(data))
	k.awaitNote(t, "dockerd --config-file "+k.state+"/daemon.json")
	return k
}

func (k kept) notes(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "notes"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return strings.ReplaceAll(string(text), k.dir+"/", "")
}

func (k kept) awaitNote(t *testing.T, note string) {
	t.Helper()
	note = strings.ReplaceAll(note, k.dir+"/", "")
	require.Eventually(t, func() bool { return strings.Contains(k.notes(t), note) }, 10*time.Second, 10*time.Millisecond, "no %q in the notes", note)
}

// assertGone asserts that all of the engine was ended, in order.
func (k kept) assertGone(t *testing.T) {
	t.Helper()
	assert.NoDirExists(t, k.state)
	notes := k.notes(t)
	assert.Contains(t, notes, "ip link add gtctest type bridge\n")
	dockerd, containerd := strings.Index(notes, "dockerd ends"), strings.Index(notes, "containerd ends")
	assert.Positive(t, dockerd)
	assert.Greater(t, containerd, dockerd, "containerd ends last")
}

func TestTheEngineEndsWithThePipe(t *testing.T) {
	k := start(t)
	assert.NoDirExists(t, filepath.Join(k.dir, "data", "docker", "network"), "what an engine that was killed remembers of its networks is gone")
	require.NoError(t, k.stop(t.Context()))
	k.assertGone(t)
	socket := "docker unix://" + filepath.Base(k.state) + "/docker.sock "
	assert.Contains(t, k.notes(t), socket+"ps -aq\n"+socket+"rm -fv one two\n")
}

func TestSignalsThatReachItsSessionDoNotEndIt(t *testing.T) {
	k := start(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM} {
		require.NoError(t, k.cmd.Process.Signal(signal))
	}
	require.NoError(t, k.stop(t.Context()))
	k.assertGone(t)
}

func TestAKeptEngineStaysUntilDockerdIsEnded(t *testing.T) {
	k := start(t)
	require.NoError(t, k.keep())
	require.NoError(t, k.end.Close(), "as when the process that started it ends")
	time.Sleep(300 * time.Millisecond)
	assert.DirExists(t, k.state)
	assert.NotContains(t, k.notes(t), "ends")

	pid, err := exec.Command("pgrep", "-f", filepath.Join(k.dir, "dockerd")+" --config-file").Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(k.pidfile(), pid, 0o600), "as dockerd does")
	found := &private{state: k.state}
	require.NoError(t, found.stop(t.Context()))
	<-k.ended
	k.assertGone(t)
}

func TestAnEngineThatDoesNotAnswerIsEndedAndItsLastWordsAreSaid(t *testing.T) {
	k := start(t)
	require.NoError(t, os.WriteFile(filepath.Join(k.state, "dockerd.log"), []byte("no such storage driver\n"), 0o600))
	require.NoError(t, k.end.Close())
	err := k.wait(t.Context())
	require.ErrorContains(t, err, "the engine has ended: looking for the engine's socket")
}
