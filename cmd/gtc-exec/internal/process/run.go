//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalled is what a shell adds to a signal's number to make an exit code of it.
const signalled = 128

// Run starts the program with environ and this process's standard files, and is its parent until it ends: signals are passed on, and
// every orphan that became this process's child is reaped. The code is the program's own, or 128 and the number of the signal that
// killed it. The error, of a program that could not be started, is ErrNotExecutable. onStart is called when it has started.
func (p Program) Run(environ []string, signals *Signals, onStart func()) (code int, err error) {
	pid, err := syscall.ForkExec(p.path, p.args, &syscall.ProcAttr{ //nolint:gosec // to run what it is told is what it is for
		Env:   environ,
		Files: []uintptr{0, 1, 2},
		Sys:   childAttributes(),
	})
	if err != nil {
		return 0, fmt.Errorf("%w: %q: %w", ErrNotExecutable, p.path, err)
	}
	onStart()
	for {
		select {
		case sig := <-signals.toChild:
			// Until it is reaped below, pid names the program and nobody else. An error means that it is gone already.
			_ = unix.Kill(pid, sig.(unix.Signal))
		case <-signals.children:
			status, ended, err := reap(pid)
			if err != nil {
				return 0, fmt.Errorf("waiting for %q: %w", p.path, err)
			}
			if ended {
				return codeOf(status), nil
			}
		}
	}
}

// childAttributes gives the program a process group of its own, so that a signal to our group does not reach it twice: once by itself
// and once from us. If we are a terminal's foreground job, the program becomes it: the terminal then signals the program alone.
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
			return 0, false, os.NewSyscallError("wait4", err)
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
