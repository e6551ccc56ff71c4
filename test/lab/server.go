package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/lab/internal/process"
)

// ErrNotReady is wrapped by every failure of a server to come up.
var ErrNotReady = errors.New("the server did not come up")

// stopTime is what a server has for an orderly end.
const stopTime = 10 * time.Second

// server is a program of the lab that can be stopped and started again in the same place.
type server struct {
	group   *process.Group
	name    string
	command func() *exec.Cmd
	ready   func(context.Context) error // nil once it serves

	mu      sync.Mutex // guards what follows; held over a whole start or stop
	process *process.Process
}

func (s *server) log() string { return filepath.Join(s.group.Dir(), "logs", s.name+".log") }

// start starts it, if it does not run, and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.Running() {
		return nil
	}
	p, err := s.group.Start(s.name, s.command(), s.log())
	if err != nil {
		return err
	}
	s.process = p
	return await(ctx, p, s.ready)
}

// stop ends it in order, or by force if that takes too long. It is no error if it does not run.
func (s *server) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	return s.process.Stop(ctx)
}

// kill ends it at once.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Kill()
	}
}

// pause makes it hang with its connections open, until resume.
func (s *server) pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return fmt.Errorf("pausing %s: it was never started", s.name)
	}
	return s.process.Pause()
}

// resume ends pause.
func (s *server) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return fmt.Errorf("resuming %s: it was never started", s.name)
	}
	return s.process.Signal(syscall.SIGCONT)
}

// running says whether its process runs.
func (s *server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && s.process.Running()
}

// await asks every few milliseconds whether the process is ready, until it is, it has ended, or ctx has.
func await(ctx context.Context, p *process.Process, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("starting %s: %w: it ended: %w%s", p.Name(), ErrNotReady, errors.Join(p.Err()), lastWords(p.Log()))
		case <-ctx.Done():
			return fmt.Errorf("starting %s: %w: %w: %w%s", p.Name(), ErrNotReady, context.Cause(ctx), err, lastWords(p.Log()))
		case <-time.After(15 * time.Millisecond):
		}
	}
}

// lastWords are the end of a log, for an error that leaves the lab: its folder goes with it.
func lastWords(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("\nlast lines of its log:\n%s", strings.Join(lines[max(0, len(lines)-12):], "\n"))
}
