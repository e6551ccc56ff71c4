// Package helm runs the Helm that test/tools/helm pins.
package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrRefused is a Helm that ended with another exit code than 0; the error's text has its last words.
var ErrRefused = errors.New("helm refused")

// module pins Helm's version.
const module = "github.com/greenticai/gtc-csi-provider/test"

// program is the path of the Helm of this process, which the go command builds once into its own cache (about five minutes on two
// cores the first time) and finds there afterwards.
var program = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("finding the module %s (run this in the folder test of a checkout): %w", module, err)
	}
	pinned := filepath.Join(strings.TrimSpace(string(dir)), "tools", "helm", "go.mod")
	var words bytes.Buffer
	build := exec.CommandContext(ctx, "go", "tool", "-n", "-modfile="+pinned, "helm")
	build.Stderr = &words
	path, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("building helm: %w\n%s", err, words.Bytes())
	}
	return strings.TrimSpace(string(path)), nil
})

// Run runs helm and returns what it wrote to its standard output, also where it fails with ErrRefused. Nothing of the user's Helm or
// kubeconfig takes part: a cluster is named by --kubeconfig.
func Run(ctx context.Context, args ...string) (string, error) {
	path, err := program()
	if err != nil {
		return "", err
	}
	home, err := os.MkdirTemp("", "gtc-helm-")
	if err != nil {
		return "", fmt.Errorf("making a home for helm: %w", err)
	}
	defer func() { _ = os.RemoveAll(home) }() // it holds caches only
	var out, words bytes.Buffer
	command := exec.CommandContext(ctx, path, args...)
	command.Env = environment(home)
	command.Stdout, command.Stderr = &out, &words
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return out.String(), fmt.Errorf("helm %s: %w", first(args), context.Cause(ctx))
		}
		return out.String(), fmt.Errorf("%w: helm %s: %w\n%s", ErrRefused, first(args), err, strings.TrimSpace(words.String()))
	}
	return out.String(), nil
}

// first is what helm was asked to do; what follows may be long.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func environment(home string) []string {
	own := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "HELM_") || strings.HasPrefix(variable, "KUBE")
	})
	return append(own, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+os.DevNull)
}
