package lab

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/greenticai/gtc-csi-provider/test/lab/internal/process"
)

// ErrName is returned for a process that is to have a name that it cannot have.
var ErrName = errors.New("a process cannot be called so")

// Process is a program that a test has started in the lab: the provider, a worker.
type Process struct{ p *process.Process }

// StartProcess starts cmd as a part of the lab: with its output in a log file that Logs lists under name, with a small environment unless cmd has one,
// and with an end no later than the lab's. Starting a second process under a name appends to the same log.
// For a program on the node, cmd is Node.Command's.
func (l *Lab) StartProcess(name string, cmd *exec.Cmd) (*Process, error) {
	switch name {
	case "etcd", "apiserver", "vault", "driver", "node", "", ".", "..":
		return nil, fmt.Errorf("starting a process: %w: %q is the lab's own", ErrName, name)
	}
	if filepath.Base(name) != name {
		return nil, fmt.Errorf("starting a process: %w: %q is no file name", ErrName, name)
	}
	p, err := l.group.Start(name, cmd, l.path("logs", name+".log"))
	if err != nil {
		return nil, err
	}
	return &Process{p}, nil
}

// Environment is the small environment that a process of the lab gets by itself: PATH, and the state folder as HOME and TMPDIR.
func (l *Lab) Environment() []string { return l.group.Environment() }

// Log is the file that its output goes to.
func (p *Process) Log() string { return p.p.Log() }

// Pid is its process id. A program that was started with Node.Command has that of nsenter, which it replaced.
func (p *Process) Pid() int { return p.p.Pid() }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.p.Done() }

// Wait waits for its end and returns nil for exit code 0, else an *exec.ExitError.
func (p *Process) Wait() error { return p.p.Err() }

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.p.Signal(s) }

// Kill ends it and its process group at once and waits.
func (p *Process) Kill() { p.p.Kill() }
