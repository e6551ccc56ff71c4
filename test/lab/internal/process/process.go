package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is one program of a Group.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// Name is what Start was told to call it.
func (p *Process) Name() string { return p.name }

// Log is the file that its output goes to.
func (p *Process) Log() string { return p.log }

// Pid is its process id, which is also that of its process group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether it has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Err waits for its end and returns what exec.Cmd.Wait returned: nil for exit code 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends a signal to it alone, not to its group.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signalling %s: %w", p.name, err)
	}
	return nil
}

// stopTime is how long Pause waits for the kernel.
const stopTime = 10 * time.Second

// Pause stops it with SIGSTOP and waits until it stands still: a signal has been sent before every thread has heard of it. SIGCONT makes it go on.
func (p *Process) Pause() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(stopTime); !p.stopped(); time.Sleep(time.Millisecond) {
		if !p.Running() || time.Now().After(end) {
			return fmt.Errorf("pausing %s: it has not stopped", p.name)
		}
	}
	return nil
}

// stopped says whether each of its threads is in the state T of proc(5).
func (p *Process) stopped() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid())) // the pattern is well-formed: no error is possible
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has ended
		}
		_, after, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
		if !bytes.HasPrefix(after, []byte("T")) {
			return false
		}
	}
	return len(threads) > 0
}

// Kill ends its whole process group with SIGKILL and waits. It is no error if it has ended already.
func (p *Process) Kill() {
	if p.Running() {
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL) // ESRCH: it ended in between
	}
	<-p.done
}

// Stop sends SIGTERM and waits; when ctx ends first it is killed. A paused process is continued, so that it can hear.
func (p *Process) Stop(ctx context.Context) error {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := p.cmd.Process.Signal(s); err != nil {
			break // it has ended
		}
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stopping %s: killed, since it did not end by itself: %w", p.name, context.Cause(ctx))
	}
}
