package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// root is the product's module, seen from this folder.
const root = "../.."

// buildPrograms builds the product's three programs as they are shipped, and the worker that stands in for Greentic's, into dir.
func buildPrograms(ctx context.Context, dir string) error {
	for _, build := range []struct{ module, packages string }{
		{root, "./cmd/..."},
		{filepath.Join(root, "test"), "./worker"},
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-tags=grpcnotrace", "-ldflags=-s -w",
			"-o", dir+"/", build.packages)
		cmd.Dir = build.module
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", build.packages, err, out)
		}
	}
	return nil
}

// result is how a program ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a program to its end, without this process's environment. A program that cannot be started has the code -1.
func run(t *testing.T, cmd *exec.Cmd, environ ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environ...)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Errorf("running %q: %v", cmd.Args, err)
		return result{code: -1}
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}
