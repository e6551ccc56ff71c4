package engine

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the keeper
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTime = time.Minute            // what a first start has, which makes the data folder
	stopTime  = 2 * time.Minute        // what the end has, with all containers
	again     = 100 * time.Millisecond // between two looks whether something has come or gone
)

//go:embed keeper.sh
var keeper string

// private is an engine of ours: a keeper, and below it a containerd and a dockerd.
type private struct {
	state string        // the folder of sockets, logs and configuration, gone when the engine is
	end   io.Closer     // the pipe that the keeper reads; nil for an engine that was found running
	words io.Writer     // likewise
	ended chan struct{} // closed when the keeper has ended; nil likewise
	cmd   *exec.Cmd     // the keeper; nil likewise
}

// stateDir is short, since the paths of sockets are, and one for each data folder.
func stateDir(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/run", "gtc-kind-"+hex.EncodeToString(sum[:4]))
}

func (p *private) socket() string { return filepath.Join(p.state, "docker.sock") }

func (p *private) host() string { return "unix://" + p.socket() }

// startPrivate starts an engine, or finds the one that was told to stay.
func startPrivate(ctx context.Context, o Options) (*private, error) {
	p := &private{state: stateDir(o.Dir)}
	if p.answers(ctx) == nil {
		return p, nil
	}
	if err := able(); err != nil {
		return nil, err
	}
	if err := p.configure(o); err != nil {
		return nil, err
	}
	if err := p.start(filepath.Join(o.Dir, "engine")); err != nil {
		return nil, err
	}
	if err := p.wait(ctx); err != nil {
		return nil, errors.Join(err, p.stop(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// able says what is missing to start an engine.
func able() error {
	var missing []error
	if os.Geteuid() != 0 {
		missing = append(missing, errors.New("only root may start one"))
	}
	for program, pkg := range map[string]string{
		"dockerd": "docker.io", "containerd": "containerd", "runc": "runc", "docker-proxy": "docker.io", "ip": "iproute2",
	} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("%s is not on PATH: install the package %s", program, pkg))
		}
	}
	return errors.Join(missing...)
}

// configure writes all that the engine would otherwise take from the machine's configuration.
func (p *private) configure(o Options) error {
	data := filepath.Join(o.Dir, "engine")
	for _, dir := range []string{p.state, data} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("making a folder of the engine: %w", err)
		}
	}
	containerd := filepath.Join(p.state, "containerd.sock")
	daemon, err := json.MarshalIndent(map[string]any{
		"hosts": []string{p.host()}, "pidfile": p.pidfile(), "data-root": filepath.Join(data, "docker"), "exec-root": filepath.Join(p.state, "docker"),
		"containerd": containerd, "bridge": p.bridge(), "iptables": false, "log-driver": "json-file",
		"runtimes": map[string]any{"restricted": map[string]any{"path": o.Runtime}}, "default-runtime": "restricted",
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the engine's configuration: %w", err)
	}
	toml := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n",
		filepath.Join(data, "containerd"), filepath.Join(p.state, "containerd"), containerd)
	for name, content := range map[string]string{"daemon.json": string(daemon), "containerd.toml": toml, "keeper.sh": keeper} {
		if err := os.WriteFile(filepath.Join(p.state, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing the engine's configuration: %w", err)
		}
	}
	return nil
}

// bridge is the name of the default network's interface, and what those of others begin with. The kernel wants them below 16 bytes.
func (p *private) bridge() string { return "gtc" + p.state[strings.LastIndex(p.state, "-")+1:] }

func (p *private) pidfile() string { return filepath.Join(p.state, "docker.pid") }

// start starts the keeper in a session of its own, so that nothing that ends this process ends it.
func (p *private) start(data string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making the keeper's pipe: %w", err)
	}
	defer read.Close() // the keeper has its own by then
	p.cmd = exec.Command("sh", filepath.Join(p.state, "keeper.sh"), p.state, data, p.bridge())
	p.cmd.Stdin = read
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting the keeper: %w", err), write.Close())
	}
	p.end, p.words, p.ended = write, write, make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ends says nothing: the state folder does
	}()
	return nil
}

// wait waits until the engine answers.
func (p *private) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		err := p.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the engine: %w: %w\n%s", context.Cause(ctx), err, p.log())
		case <-p.ended:
			return fmt.Errorf("the engine has ended: %w\n%s", err, p.log())
		case <-time.After(again):
		}
	}
}

// answers asks the engine for its version.
func (p *private) answers(ctx context.Context) error {
	if _, err := os.Stat(p.socket()); err != nil {
		return fmt.Errorf("looking for the engine's socket: %w", err)
	}
	_, err := Output(exec.CommandContext(ctx, "docker", "--host", p.host(), "version", "--format", "{{.Server.Version}}"))
	return err
}

func (p *private) log() string {
	text, err := os.ReadFile(filepath.Join(p.state, "dockerd.log"))
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

// keep lets the engine outlive this process.
func (p *private) keep() error {
	if p.words == nil {
		return nil // it was found running: nobody ends it
	}
	if _, err := io.WriteString(p.words, "keep\n"); err != nil {
		return fmt.Errorf("telling the keeper to keep the engine: %w", err)
	}
	return nil
}

// stop ends the engine with all its containers and waits until nothing of it is left but its data.
func (p *private) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := p.terminate(); err != nil {
		return err
	}
	if p.ended != nil {
		select {
		case <-p.ended:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the engine to end, whose log is in %s: %w", p.state, context.Cause(ctx))
		}
	}
	for {
		if _, err := os.Stat(p.state); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the engine to end, whose log is in %s: %w", p.state, context.Cause(ctx))
		case <-time.After(again):
		}
	}
}

// terminate ends the pipe of an engine that this process started, and asks dockerd itself where another process did.
func (p *private) terminate() error {
	if p.end != nil {
		if err := p.end.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("telling the keeper to end: %w", err)
		}
		return nil
	}
	text, err := os.ReadFile(p.pidfile())
	if err != nil {
		return fmt.Errorf("looking for the engine's process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("reading the engine's process: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending the engine: %w", err)
	}
	return nil
}
