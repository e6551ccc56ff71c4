//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
)

// script is a shell behind a gtc-exec that restarts it, in a volume of one secret whose value is "old"; SLACK has it.
type script struct {
	cmd            *exec.Cmd
	volume         atomicwriter.Volume
	stdout, stderr *lines
}

func restarting(t *testing.T, text string, flags ...string) script {
	t.Helper()
	folder := volumeOf(t, map[string]string{slackFile: "old"})
	args := append([]string{"run", "--volume", folder, "--secret", slackRef, "--watch", "restart"}, flags...)
	s := script{volume: atomicwriter.New(folder), stdout: &lines{}, stderr: &lines{}}
	s.cmd = underRace(command(t, []string{"SLACK=" + slackRef}, append(args, "--", "sh", "-c", text)...))
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	s.stdout.next(t, "started with old")
	return s
}

func (s script) rotate(t *testing.T, value string) {
	t.Helper()
	require.NoError(t, s.volume.Write(map[string]string{slackFile: value}))
}

func TestRestartGivesNewVariables(t *testing.T) {
	t.Parallel()
	s := restarting(t, `trap 'echo "ended with $SLACK"; exit 3' TERM; echo "started with $SLACK"; while :; do sleep 0.02; done`)
	s.rotate(t, "new")
	s.stdout.next(t, "started with new\n")
	s.rotate(t, "newer")
	s.stdout.next(t, "started with newer\n")
	require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 3, exitCode(t, s.cmd.Wait()), "its own code, once it is not to be started again")
	assert.Equal(t, "started with old\nended with old\nstarted with new\nended with new\nstarted with newer\nended with newer\n", s.stdout.text())
	assert.Equal(t, strings.Repeat("gtc-exec: the volume's secrets changed: restarting the program\n", 2), s.stderr.text())
}

func TestRestartKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := restarting(t, `trap "echo asked" TERM; echo "started with $SLACK"; while :; do sleep 0.02; done`, "--grace", "1500ms")
	rotated := time.Now()
	s.rotate(t, "new")
	s.stdout.next(t, "started with new\n")
	assert.GreaterOrEqual(t, time.Since(rotated), 1500*time.Millisecond, "it had its time")
	assert.Equal(t, 1, strings.Count(s.stdout.text(), "asked"), "and was asked once")
}

// Several rotations while the program is ending are one restart, with the last.
func TestRestartTakesTheLastOfSeveral(t *testing.T) {
	t.Parallel()
	s := restarting(t, `trap "echo asked; sleep 3; exit" TERM; echo "started with $SLACK"; while :; do sleep 0.02; done`)
	s.rotate(t, "new")
	s.stdout.next(t, "asked\n")
	for _, value := range []string{"newer", "newest"} {
		s.rotate(t, value)
		time.Sleep(1200 * time.Millisecond)
	}
	s.stdout.next(t, "started with newest\n")
	assert.Equal(t, "started with old\nasked\nstarted with newest\n", s.stdout.text())
}

// A shell that does not wait for its child leaves it behind, with the old secrets.
func TestRestartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := restarting(t, `sleep 20 & echo "started with $SLACK $!"; wait`)
	_, text, _ := strings.Cut(s.stdout.text(), "old ")
	left, err := strconv.Atoi(strings.TrimSpace(text))
	require.NoError(t, err)
	require.NoError(t, unix.Kill(left, 0))
	s.rotate(t, "new")
	s.stdout.next(t, "started with new")
	state, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(left), "stat"))
	if err == nil {
		assert.Contains(t, string(state), ") Z ", "at most its status is left, for who inherited it")
	}
	require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
	_ = s.cmd.Wait()
}

func TestAProgramThatEndsByItselfIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		text string
		code int
	}{
		"before the change": {`echo "started with $SLACK"; sleep 0.5; exit 4`, 4},
		"after a restart":   {`echo "started with $SLACK"; test "$SLACK" = new && exit 5; exec sleep 20`, 5},
		"killed then":       {`echo "started with $SLACK"; test "$SLACK" = new && kill -9 $$; exec sleep 20`, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := restarting(t, row.text)
			s.rotate(t, "new")
			assert.Equal(t, row.code, exitCode(t, s.cmd.Wait()))
		})
	}
}

func TestAProgramThatCannotBeStartedAgain(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: "old"})
	program := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nrm $0; echo started; exec sleep 20"), 0o600))
	require.NoError(t, os.Chmod(program, 0o755))
	cmd := underRace(command(t, nil, "run", "--volume", folder, "--secret", slackRef, "--watch", "restart", "--", program))
	var stdout, stderr lines
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	stdout.next(t, "started")
	require.NoError(t, atomicwriter.New(folder).Write(map[string]string{slackFile: "new"}))
	assert.Equal(t, 126, exitCode(t, cmd.Wait()))
	assert.Contains(t, stderr.text(), `gtc-exec: program cannot be executed: "`+program+`": no such file or directory`)
}

// While the program is ending for a restart it still hears every signal. Those that ask for the pod's end call the restart off.
func TestSignalsWhileRestarting(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		sig   unix.Signal
		again bool
	}{
		{unix.SIGHUP, true}, {unix.SIGUSR2, true}, {unix.SIGWINCH, true}, {unix.SIGINT, false}, {unix.SIGQUIT, false}, {unix.SIGTERM, false},
	} {
		t.Run(row.sig.String(), func(t *testing.T) {
			t.Parallel()
			r := watching(t, "stubborn", "--watch", "restart")
			r.rotate(t, "new")
			require.Equal(t, "signal 15", r.line(t), "it is asked to end")
			r.signal(t, row.sig)
			require.Equal(t, "signal "+strconv.Itoa(int(row.sig)), r.line(t))
			if row.sig != unix.SIGTERM {
				r.signal(t, unix.SIGUSR1) // by which it ends
				require.Equal(t, "signal 10", r.line(t))
			}
			if row.again {
				require.Contains(t, r.line(t), "ready")
				return
			}
			assert.Equal(t, 9, r.wait(t))
		})
	}
}

// Who sends SIGTERM wants the pod's end, though the program may take its time: a rotation meanwhile must not bring it back.
func TestNoRestartAfterSIGTERM(t *testing.T) {
	t.Parallel()
	r := watching(t, "stubborn", "--watch", "restart")
	r.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", r.line(t))
	r.rotate(t, "new")
	time.Sleep(someLooks)
	r.signal(t, unix.SIGUSR1)
	require.Equal(t, "signal 10", r.line(t), "it was not asked a second time")
	assert.Equal(t, 9, r.wait(t))
	assert.NotContains(t, r.stderr.text(), "restarting")
}

// A program that is started again has the terminal, as it had it the first time.
func TestRestartInATerminal(t *testing.T) {
	t.Parallel()
	_, slave := terminal(t)
	folder := volumeOf(t, map[string]string{slackFile: "old"})
	cmd := underRace(command(t, nil, "run", "--volume", folder, "--secret", slackRef, "--watch", "restart", "--", self(t)))
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	cmd.Stderr = &lines{}
	w, ready := start(t, cmd, "signals")
	require.Equal(t, "ready, in the terminal's foreground: true", ready)
	require.NoError(t, atomicwriter.New(folder).Write(map[string]string{slackFile: "new"}))
	require.Equal(t, "signal 15", w.line(t))
	require.Equal(t, "ready, in the terminal's foreground: true", w.line(t))
	w.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", w.line(t))
	assert.Equal(t, 7, w.wait(t))
}

// PID 1 that restarts its program still reaps what the old one and the new one leave.
func TestOrphansAreReapedAcrossARestart(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: "old"})
	cmd := underRace(command(t, nil, "run", "--volume", folder, "--secret", slackRef, "--watch", "restart", "--", self(t)))
	cmd.SysProcAttr = firstProcess()
	cmd.Stderr = &lines{}
	w, _ := start(t, cmd, "orphans")
	require.NoError(t, atomicwriter.New(folder).Write(map[string]string{slackFile: "new"}))
	require.Equal(t, "signal 15", w.line(t))
	require.Contains(t, w.line(t), "ready")
	require.Eventually(t, func() bool {
		zombies, alive := childrenOf(t, cmd.Process.Pid)
		return zombies == 0 && alive <= 1
	}, 30*time.Second, 20*time.Millisecond)
	w.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", w.line(t))
	assert.Equal(t, 7, w.wait(t))
}
