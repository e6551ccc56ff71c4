package process

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrClosed is returned for a start after Close.
var ErrClosed = errors.New("the group is closed")

// Group is a state folder and the processes that live in it.
type Group struct {
	dir    string
	reaper *reaper
	forks  chan func() // executed one at a time on the one thread that forks
	forked sync.WaitGroup

	closing  sync.Once
	closeErr error // set within closing

	mu     sync.Mutex // guards what follows
	closed bool
	live   []*Process
}

// NewGroup makes a fresh state folder, called prefix and a random part, below parent, and the reaper that removes it.
func NewGroup(parent, prefix string) (*Group, error) {
	dir := filepath.Join(parent, prefix+strings.ToLower(rand.Text()[:8]))
	reaper, err := startReaper(dir) // before the folder, so that there is no moment with a folder and no reaper
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o711); err != nil {
		// What stands there, if anything, is not ours to remove.
		return nil, errors.Join(fmt.Errorf("making the state folder: %w", err), reaper.order("keep"), reaper.finish())
	}
	g := &Group{dir: dir, reaper: reaper, forks: make(chan func())}
	g.forked.Go(g.fork)
	return g, nil
}

// Dir is the state folder.
func (g *Group) Dir() string { return g.dir }

// fork runs what it is given on one thread, and takes that thread with it at the end.
func (g *Group) fork() {
	runtime.LockOSThread()
	for f := range g.forks {
		f()
	}
}

// Namespace makes sure that no process of the mount namespace behind link (the text of a /proc/N/ns/mnt link) outlives the group,
// even one that the group did not start.
func (g *Group) Namespace(link string) error { return g.reaper.order("ns", link) }

// Start starts cmd as the leader of a process group of its own. Its output is appended to the file log, unless cmd has somewhere to write to.
// Where cmd has no environment it gets a small one, not this process's: a stray VAULT_ADDR must not reach a server of the lab.
func (g *Group) Start(name string, cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer out.Close() // the child has its own descriptor by then
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = out
	}
	if cmd.Env == nil {
		cmd.Env = g.Environment()
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("starting %s: %w", name, ErrClosed)
	}
	started := make(chan error)
	g.forks <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	pgid := strconv.Itoa(cmd.Process.Pid)
	orderErr := g.reaper.order("+", pgid)
	g.live = append(g.live, p)
	go func() {
		defer close(p.done)
		g.wait(p)
	}()
	return p, orderErr
}

// Environment is the small environment of a command that brings none: a path to find programs on, and the state folder as home and for what is temporary.
func (g *Group) Environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + g.dir,
		"TMPDIR=" + g.dir,
	}
}

// wait waits for the process's end, kills what it left behind in its group, and only then lets its number go: as long as the kernel keeps the
// ended process, that number can be no other's. The list of the living and the reaper forget it too.
func (g *Group) wait(p *Process) {
	for unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		continue
	}
	_ = unix.Kill(-p.Pid(), unix.SIGKILL)
	p.err = p.cmd.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live = slices.DeleteFunc(g.live, func(other *Process) bool { return other == p })
	_ = g.reaper.order("-", strconv.Itoa(p.Pid())) // a reaper that is gone is reported by Close
}

// Keep leaves the folder, whatever ends the group from now on.
func (g *Group) Keep() error { return g.reaper.order("keep") }

// Close kills every process, the last started first, waits for each, and removes the folder unless it is to be kept.
// A second call waits for the first and returns what it returned.
func (g *Group) Close() error {
	g.closing.Do(func() { g.closeErr = g.close() })
	return g.closeErr
}

func (g *Group) close() error {
	g.mu.Lock()
	g.closed = true
	live := slices.Clone(g.live)
	g.mu.Unlock()

	for _, p := range slices.Backward(live) {
		p.Kill()
	}
	close(g.forks)
	g.forked.Wait()
	return g.reaper.finish()
}
