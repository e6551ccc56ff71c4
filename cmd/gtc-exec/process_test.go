//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestExitCodesAreTheWorkers(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 1, 2, 69, 127, 255} {
		got := run(t, nil, "run", "--", "sh", "-c", "exit "+strconv.Itoa(code))
		assert.Equal(t, outcome{code: code}, got, "nothing is added to what the worker says")
	}
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGABRT, unix.SIGUSR1} {
		got := run(t, nil, "run", "--", "sh", "-c", fmt.Sprintf("kill -%d $$", sig))
		assert.Equal(t, 128+int(sig), got.code)
	}
}

func TestAProgramThatTheKernelRefuses(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o600))
	require.NoError(t, os.Chmod(script, 0o755))
	got := run(t, nil, "run", "--", script)
	assert.Equal(t, 126, got.code)
	assert.Contains(t, got.stderr, `gtc-exec: program cannot be executed: "`+script+`": no such file or directory`)
}

func TestSignalsReachTheWorker(t *testing.T) {
	t.Parallel()
	w, ready := start(t, command(t, nil, "run", "--", self(t)), "signals")
	assert.Equal(t, "ready, in the terminal's foreground: false", ready)
	forwarded := []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH,
		unix.SIGIO, unix.SIGPWR,
	}
	for sig := unix.Signal(35); sig <= 64; sig++ {
		forwarded = append(forwarded, sig)
	}
	for _, sig := range forwarded {
		w.signal(t, sig)
		require.Equal(t, fmt.Sprintf("signal %d", int(sig)), w.line(t))
	}
	w.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", w.line(t))
	assert.Equal(t, 7, w.wait(t))
}

func TestASignalToTheGroupReachesTheWorkerOnce(t *testing.T) {
	t.Parallel()
	cmd := command(t, nil, "run", "--", self(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w, _ := start(t, cmd, "signals")
	require.NoError(t, unix.Kill(-cmd.Process.Pid, unix.SIGINT))
	require.Equal(t, "signal 2", w.line(t))
	time.Sleep(50 * time.Millisecond) // time for a second one to be passed on
	w.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", w.line(t))
	assert.Equal(t, 7, w.wait(t))
}

func TestASignalWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT} {
		cmd := command(t, nil, "run", "--volume", volumeOf(t, nil), "--wait", "1h", "--secret", slackRef, "--", "echo", "started")
		var stdout, stderr lines
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		stderr.next(t, "waiting")
		require.NoError(t, cmd.Process.Signal(unix.SIGUSR1), "which ends nothing")
		require.NoError(t, cmd.Process.Signal(sig))
		assert.Equal(t, 128+int(sig), exitCode(t, cmd.Wait()))
		assert.Contains(t, stderr.text(), fmt.Sprintf("gtc-exec: ended by signal %d (%s)", int(sig), sig))
		assert.Empty(t, stdout.text())
	}
}

// PID 1 inherits every orphan of its container. Behind gtc-exec none stays; the control shows that they do stay with a PID 1 that does
// not care, so the test would see them.
func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		args []string
		left int // children of PID 1 that are zombies in the end
	}{
		{"gtc-exec", []string{binary, "run", "--", self(t)}, 0},
		{"control", []string{self(t)}, orphans},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, nil)
			cmd.Path, cmd.Args = row.args[0], row.args
			cmd.SysProcAttr = firstProcess()
			w, _ := start(t, cmd, "orphans")
			require.Eventually(t, func() bool {
				zombies, alive := childrenOf(t, cmd.Process.Pid)
				return zombies == row.left && alive <= 1 // the worker itself
			}, 30*time.Second, 20*time.Millisecond)
			if row.left > 0 {
				return
			}
			w.signal(t, unix.SIGTERM)
			require.Equal(t, "signal 15", w.line(t), "PID 1 hears and passes on")
			assert.Equal(t, 7, w.wait(t))
		})
	}
}

// The worker of a container with a terminal (kubectl run -it) is the terminal's foreground job: it can read from it, and Ctrl-C goes to
// it alone.
func TestTerminal(t *testing.T) {
	t.Parallel()
	master, slave := terminal(t)
	cmd := command(t, nil, "run", "--", self(t))
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	w, ready := start(t, cmd, "signals")
	assert.Equal(t, "ready, in the terminal's foreground: true", ready)
	_, err := master.WriteString("\x03") // Ctrl-C
	require.NoError(t, err)
	require.Equal(t, "signal 2", w.line(t))
	time.Sleep(50 * time.Millisecond) // time for a second one to be passed on
	w.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", w.line(t))
	assert.Equal(t, 7, w.wait(t))
}

func TestStandardFilesAreTheWorkers(t *testing.T) {
	t.Parallel()
	w, _ := start(t, command(t, nil, "run", "--", self(t)), "signals")
	require.NoError(t, w.stdin.Close())
	assert.Equal(t, 0, w.wait(t), "the end of the input reaches the worker, since gtc-exec holds nothing open")
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// firstProcess makes a program PID 1 of a namespace of its own; a normal user needs a user namespace for that.
func firstProcess() *syscall.SysProcAttr {
	if os.Getuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// childrenOf counts the children of pid that have ended and were not reaped, and those that live.
func childrenOf(t *testing.T, pid int) (zombies, alive int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state ppid …; the name may hold anything but ends with the last parenthesis
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		switch {
		case fields[1] != strconv.Itoa(pid):
		case fields[0] == "Z":
			zombies++
		default:
			alive++
		}
	}
	return zombies, alive
}

// terminal is a new pseudo terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}
