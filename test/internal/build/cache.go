package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/internal/lockfile"
	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
)

// ErrNoGo is returned where there is no go command to build with.
var ErrNoGo = errors.New("the go command is not on PATH: the tests compile their servers, install Go 1.26 or newer")

// Cache is the folder of built programs.
type Cache struct {
	// Dir holds one folder for each program built.
	Dir string
	// Servers is the folder with the servers' modules.
	Servers string
	// Progress gets a line now and then while something compiles. Nil means silence.
	Progress io.Writer
}

// Get returns the programs of all servers, in order, building what is missing one after the other.
func (c Cache) Get(ctx context.Context, servers ...Server) ([]Built, error) {
	toolchain, err := toolchain(ctx)
	if err != nil {
		return nil, err
	}
	built := make([]Built, len(servers))
	for i, s := range servers {
		if built[i], err = c.get(ctx, s, toolchain); err != nil {
			return nil, err
		}
	}
	return built, nil
}

// lock waits until no other process builds into this cache.
func (c Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	unlock, err = lockfile.Lock(ctx, filepath.Join(c.Dir, "lock"), func() {
		progress.Say(c.Progress, "waiting for another process that builds into the same cache, before building %s", name)
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("waiting to build %s: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("locking the cache folder (GTC_LAB_CACHE names another): %w", err)
	}
	return unlock, nil
}

func toolchain(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", ErrNoGo
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED")
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking for the version of Go: %w", err)
	}
	return string(out), nil
}

// environment is this process's, less what could change a build behind the cache key's back. Without cgo the programs are the same with or without
// a C compiler on the machine.
func environment() []string { return append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0") }

func (c Cache) get(ctx context.Context, s Server, toolchain string) (Built, error) {
	sources := filepath.Join(c.Servers, filepath.FromSlash(cmp.Or(s.Folder, s.Name)))
	version, err := s.version(sources)
	if err != nil {
		return Built{}, err
	}
	flags := s.flags(version)
	key, err := s.key(sources, toolchain, flags)
	if err != nil {
		return Built{}, err
	}
	place := filepath.Join(c.Dir, key)
	built := Built{Path: filepath.Join(place, s.Name), Version: version}
	if s.Assets != "" {
		built.Assets = filepath.Join(place, "assets")
	}
	if exists(place) {
		return built, nil
	}
	unlock, err := c.lock(ctx, s.Name)
	if err != nil {
		return Built{}, err
	}
	defer unlock()
	if exists(place) { // built by whoever held the lock
		return built, nil
	}
	return built, c.build(ctx, s, sources, version, flags, place)
}

// build compiles into a folder of its own and gives that its name only when all is there.
func (c Cache) build(ctx context.Context, s Server, sources, version string, flags []string, place string) error {
	work, err := c.workDir()
	if err != nil {
		return fmt.Errorf("making a folder to build %s in: %w", s.Name, err)
	}
	defer os.RemoveAll(work) // after the rename there is nothing left to remove
	stop := progress.Start(c.Progress, fmt.Sprintf("building %s %s (about %s the first time, cached after)", s.Name, version, s.Cold),
		"building "+s.Name, "built "+s.Name)
	output := filepath.Join(work, s.Name)
	if len(s.More) > 0 {
		output += string(filepath.Separator) // a folder, which the go command makes
	}
	args := append(append([]string{"build"}, flags...), "-o", output)
	_, err = run(ctx, sources, append(args, s.packages()...)...)
	if err == nil && s.Assets != "" {
		err = copyAssets(ctx, sources, s, filepath.Join(work, "assets"))
	}
	stop(err)
	if err != nil {
		return fmt.Errorf("building %s %s: %w", s.Name, version, err)
	}
	if err := os.Rename(work, place); err != nil {
		return fmt.Errorf("putting %s into the cache: %w", s.Name, err)
	}
	return nil
}

// workDir makes a fresh folder to build in, and removes those of builds that were killed: the lock is held, so none of them is going on.
// Each has a name of its own, since the compiler of a killed build may live on for a while and write into its.
func (c Cache) workDir() (string, error) {
	left, _ := filepath.Glob(filepath.Join(c.Dir, "building-*")) // a bad pattern finds nothing, and nothing is removed
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	work, err := os.MkdirTemp(c.Dir, "building-")
	if err != nil {
		return "", err
	}
	return work, os.Chmod(work, 0o755)
}

func copyAssets(ctx context.Context, sources string, s Server, to string) error {
	dir, err := run(ctx, sources, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", s.Module)
	if err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(strings.TrimSpace(dir), filepath.FromSlash(s.Assets))))
}

// run runs the go command. On failure its own last words are the error: they name the missing module or the line that does not compile.
func run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		lines := strings.Split(strings.TrimSpace(words.String()), "\n")
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return out.String(), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
