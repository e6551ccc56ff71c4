package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
)

// ErrNone is returned where there is neither an engine that can run a node nor what it takes to start one.
var ErrNone = errors.New("no docker engine runs privileged containers here")

// lastWords is how many lines of a failed command's complaints its error holds.
const lastWords = 20

// Options say where a private engine would live.
type Options struct {
	// Dir is the folder of what outlives an engine: its images.
	Dir string
	// Runtime is the program that a private engine uses as its OCI runtime.
	Runtime string
	// Progress hears which engine it is. Nil means nobody.
	Progress io.Writer
}

// Engine is a Docker engine that runs privileged containers.
type Engine struct {
	host    string   // for DOCKER_HOST; empty is the machine's own, as the docker command finds it
	private *private // nil for the machine's own
}

// Open returns the machine's engine if it runs privileged containers, and a private one otherwise: the one that was told to stay, if there is one.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, fmt.Errorf("%w: install docker: %w", ErrNone, err)
	}
	reason := unfit(ctx)
	if reason == nil {
		progress.Say(o.Progress, "using the machine's docker engine")
		return &Engine{}, nil
	}
	private, err := startPrivate(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%w: the machine's: %w; a private one: %w", ErrNone, reason, err)
	}
	progress.Say(o.Progress, "using a private docker engine, %s (the machine's: %v)", private.host(), reason)
	return &Engine{host: private.host(), private: private}, nil
}

// Find returns the engine that Open would, if it runs already; it starts none.
func Find(ctx context.Context, dir string) (*Engine, error) {
	if unfit(ctx) == nil {
		return &Engine{}, nil
	}
	private := &private{state: stateDir(dir)}
	if err := private.answers(ctx); err != nil {
		return nil, fmt.Errorf("%w: none was told to stay: %w", ErrNone, err)
	}
	return &Engine{host: private.host(), private: private}, nil
}

// Private says whether it is an engine of ours.
func (e *Engine) Private() bool { return e.private != nil }

// Host is what DOCKER_HOST must be for the docker command to talk to this engine. Empty: it does so as it is.
func (e *Engine) Host() string { return e.host }

// Command is the docker command on this engine, with the builder that needs no front end from a registry.
func (e *Engine) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if e.host != "" {
		cmd.Env = append(cmd.Env, "DOCKER_HOST="+e.host)
	}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Docker runs the docker command on this engine and returns what it prints. Its complaints are in the error.
func (e *Engine) Docker(ctx context.Context, args ...string) ([]byte, error) {
	return Output(e.Command(ctx, args...))
}

// Output runs a command and returns what it prints. Its complaints are in the error.
func Output(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	err := Pipe(cmd, &out)
	return out.Bytes(), err
}

// Pipe runs a command that prints to out. Its complaints are in the error.
func Pipe(cmd *exec.Cmd, out io.Writer) error {
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &words
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", what(cmd.Args), err, tail(words.String()))
	}
	return nil
}

// what names a command by its first words.
func what(args []string) string { return strings.Join(args[:min(len(args), 3)], " ") }

func tail(words string) string {
	lines := strings.Split(strings.TrimSpace(words), "\n")
	return strings.Join(lines[max(0, len(lines)-lastWords):], "\n")
}

// Lend makes this engine the one of every docker command that this process starts, until it is given back: kind finds its engine no other way.
func (e *Engine) Lend() (giveBack func(), err error) {
	if e.host == "" {
		return func() {}, nil
	}
	before, was := os.LookupEnv("DOCKER_HOST")
	if err := os.Setenv("DOCKER_HOST", e.host); err != nil {
		return nil, fmt.Errorf("setting DOCKER_HOST: %w", err)
	}
	return func() {
		if was {
			_ = os.Setenv("DOCKER_HOST", before) // it was valid before
		} else {
			_ = os.Unsetenv("DOCKER_HOST")
		}
	}, nil
}

// Network makes sure that there is a network of this name. On a private engine its interface goes with the engine, also with one that is killed.
func (e *Engine) Network(ctx context.Context, name string) error {
	if e.private == nil {
		return nil // whoever needs one makes it there
	}
	if _, err := e.Docker(ctx, "network", "inspect", "--format", "{{.Id}}", name); err == nil {
		return nil
	}
	if _, err := e.Docker(ctx, "network", "create", "--opt=com.docker.network.bridge.name="+e.private.bridge()+"n", name); err != nil {
		return fmt.Errorf("making the network %s: %w", name, err)
	}
	return nil
}

// Keep lets a private engine outlive this process.
func (e *Engine) Keep() error {
	if e.private == nil {
		return nil
	}
	return e.private.keep()
}

// Close ends a private engine with all its containers. The machine's goes on, and so does one that was found running while it has containers.
func (e *Engine) Close(ctx context.Context) error {
	if e.private == nil {
		return nil
	}
	if e.private.end == nil {
		if running, err := e.Docker(ctx, "ps", "--quiet"); err != nil || len(running) > 0 {
			return err
		}
	}
	return e.private.stop(ctx)
}
