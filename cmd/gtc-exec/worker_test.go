//go:build linux

package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// workerMode names the variable that makes the test's own program a worker.
const workerMode = "GTC_EXEC_TEST_WORKER"

// orphans is how many processes the worker of that mode leaves to PID 1.
const orphans = 20

// work is the worker: it says "ready" and then what happens to it, one line each, until SIGTERM (exit code 7) or the end of its input (0).
// A stubborn one ends by SIGUSR1 or its second SIGTERM only (exit code 9).
func work(mode string) int {
	if mode == "reader" {
		return readStore()
	}
	signals := make(chan os.Signal, 128)
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if sig != unix.SIGURG && sig != unix.SIGCHLD { // which Go's own runtime and children cause
			signal.Notify(signals, sig)
		}
	}
	if mode == "orphans" {
		for range orphans {
			// The shell ends at once; its sleep becomes the child of PID 1 and ends a little later.
			if err := exec.Command("sh", "-c", "sleep 0.1 &").Run(); err != nil { //nolint:noctx // as short as a shell
				fmt.Println(err)
				return 1
			}
		}
	}
	foreground, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	fmt.Println("ready, in the terminal's foreground:", err == nil && foreground == unix.Getpgrp())
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	terms := 0
	for {
		select {
		case sig := <-signals:
			fmt.Println("signal", int(sig.(syscall.Signal)))
			if sig == unix.SIGTERM {
				terms++
			}
			switch {
			case mode == "stubborn" && (terms == 2 || sig == unix.SIGUSR1):
				return 9
			case mode != "stubborn" && terms == 1:
				return 7
			}
		case <-ended:
			return 0
		}
	}
}

// worker is a running worker behind whatever started it.
type worker struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stdin  io.Closer
}

// start starts cmd, whose worker becomes the test's own program in mode, and waits until that is ready.
func start(t *testing.T, cmd *exec.Cmd, mode string) (w worker, ready string) {
	t.Helper()
	cmd.Env = append(cmd.Env, workerMode+"="+mode)
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	// A pipe of our own, whose reading can have a deadline: the worker outlives a gtc-exec that was killed, and holds it open.
	stdout, theirs, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = stdout.Close() })
	cmd.Stdout = theirs
	if cmd.Stdin == nil {
		w.stdin, err = cmd.StdinPipe()
		require.NoError(t, err)
	}
	err = cmd.Start()
	require.NoError(t, errors.Join(err, theirs.Close()))
	require.NoError(t, stdout.SetReadDeadline(time.Now().Add(25*time.Second)))
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if w.stdin != nil {
			_ = w.stdin.Close() // by which the worker ends
		}
		_ = cmd.Wait()
	})
	w.cmd, w.stdout = cmd, bufio.NewReader(stdout)
	return w, w.line(t)
}

func (w worker) line(t *testing.T) string {
	t.Helper()
	line, err := w.stdout.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

func (w worker) signal(t *testing.T, sig unix.Signal) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(sig))
}

func (w worker) wait(t *testing.T) int {
	t.Helper()
	return exitCode(t, w.cmd.Wait())
}

// lines collects what a program writes, for a test that reads along.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write collects b.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// next waits until text was written.
func (l *lines) next(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(l.text(), text) }, 20*time.Second, 5*time.Millisecond)
}
