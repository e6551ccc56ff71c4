//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// signalled is what a shell adds to a signal's number to make an exit code of it.
const signalled = 128

// Restarts tells a running program's parent to end it and to start it again. The zero value never does.
type Restarts struct {
	// Environs gives the variables to start with. One that comes while the program is ending takes the place of the one before.
	Environs <-chan []string
	// Grace is how long the program may take to end after SIGTERM before it is killed.
	Grace time.Duration
}

// Run starts the program with environ and this process's standard files, and is its parent until it ends: signals are passed on, and
// every orphan that became this process's child is reaped. The code is the program's own, or 128 and the number of the signal that
// killed it. The error, of a program that could not be started, is ErrNotExecutable.
//
// A program that restarts ended is started again, whatever its code. One that ends by itself, or that somebody else wants to end, is
// not: Run returns.
func (p Program) Run(environ []string, signals *Signals, restarts Restarts) (code int, err error) {
	c := child{program: p, attributes: childAttributes(), grace: restarts.Grace}
	if err := c.start(environ); err != nil {
		return 0, err
	}
	for {
		asked := restarts.Environs
		if c.final {
			asked = nil
		}
		select {
		case sig := <-signals.toChild:
			c.signal(sig.(unix.Signal))
		case environ := <-asked:
			c.restart(environ)
		case <-c.patience:
			_ = unix.Kill(c.pid, unix.SIGKILL)
		case <-signals.children:
			status, ended, err := reap(c.pid)
			if err == nil && ended && c.next != nil {
				ended, err = false, c.startAgain()
			}
			if err != nil {
				return 0, err
			}
			if ended {
				return codeOf(status), nil
			}
		}
	}
}

// child is the running program.
type child struct {
	program    Program
	attributes *syscall.SysProcAttr
	grace      time.Duration
	pid        int
	next       []string         // while it is ending: what to start it with again; nil if it is not to be
	patience   <-chan time.Time // while it is ending: until it is killed
	final      bool             // somebody else wants its end
}

func (c *child) start(environ []string) error {
	c.next, c.patience = nil, nil
	pid, err := syscall.ForkExec(c.program.path, c.program.args, &syscall.ProcAttr{ //nolint:gosec // to run what it is told is what it is for
		Env:   environ,
		Files: []uintptr{0, 1, 2},
		Sys:   c.attributes,
	})
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrNotExecutable, c.program.path, err)
	}
	c.pid = pid
	return nil
}

// signal passes sig on. SIGTERM says that the pod is to end, so the program is not started again; while it is ending that holds for the
// other signals too by which images say so (STOPSIGNAL). A running program may take those for something else.
func (c *child) signal(sig unix.Signal) {
	// Until it is reaped, pid names the program and nobody else. An error means that it is gone already.
	_ = unix.Kill(c.pid, sig)
	if sig == unix.SIGTERM || c.next != nil && (sig == unix.SIGINT || sig == unix.SIGQUIT) {
		c.final = true
		c.next, c.patience = nil, nil
	}
}

// restart asks the program to end, unless it has ended by itself or was asked before.
func (c *child) restart(environ []string) {
	if c.next == nil {
		if hasEnded(c.pid) {
			return
		}
		_ = unix.Kill(c.pid, unix.SIGTERM)
		c.patience = time.After(c.grace)
	}
	c.next = environ
}

// startAgain starts the program when it has ended for that. What it left behind in its process group is killed first, as the end of its
// container would: it has the old secrets, and perhaps the port.
func (c *child) startAgain() error {
	if err := emptyGroup(c.pid); err != nil {
		return err
	}
	return c.start(c.next)
}

// emptyGroup kills every process of a group whose leader was reaped a moment ago: the kernel does not give its number out again so soon.
// It waits until none is left, but not for ever: a process can be stuck in the kernel, and an orphan can be somebody else's to reap.
func emptyGroup(group int) error {
	const longest, pause = time.Second, time.Millisecond
	for deadline := time.Now().Add(longest); time.Now().Before(deadline); time.Sleep(pause) {
		if errors.Is(unix.Kill(-group, unix.SIGKILL), unix.ESRCH) {
			return nil
		}
		if _, _, err := reap(group); err != nil && !errors.Is(err, unix.ECHILD) {
			return err
		}
	}
	return nil
}

// hasEnded tells whether the child pid has ended, and leaves its status to be reaped.
func hasEnded(pid int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && info.Signo != 0
		}
	}
}

// childAttributes gives the program a process group of its own, so that a signal to our group does not reach it twice: once by itself
// and once from us. If we are a terminal's foreground job, the program becomes it: the terminal then signals the program alone. That is
// asked once: later the foreground job is the program's.
func childAttributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if foreground, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && foreground == unix.Getpgrp() {
		attributes.Foreground = true
		attributes.Ctty = 0
	}
	return attributes
}

// reap takes the status of every child that has ended, and tells whether pid was among them.
func reap(pid int) (status unix.WaitStatus, ended bool, err error) {
	for {
		var one unix.WaitStatus
		child, err := unix.Wait4(-1, &one, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD) && ended:
			return status, true, nil
		case err != nil:
			return 0, false, fmt.Errorf("waiting for the program: %w", os.NewSyscallError("wait4", err))
		case child == 0:
			return status, ended, nil
		case child == pid:
			status, ended = one, true
		}
	}
}

func codeOf(status unix.WaitStatus) int {
	if status.Signaled() {
		return signalled + int(status.Signal())
	}
	return status.ExitStatus()
}
