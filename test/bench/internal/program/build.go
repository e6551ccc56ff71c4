// Package program builds and starts gRPC servers as processes of their own, waits for their first answer on their unix
// socket, and reads how much memory they have.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// buildTime is what compiling a server may take, with nothing in Go's cache.
const buildTime = 10 * time.Minute

// Build compiles a package of the test module into the file path, in the way in which the product's programs are
// compiled.
func Build(ctx context.Context, importPath, path string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=grpcnotrace", "-ldflags=-s -w", "-o", path, importPath)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s (in the folder test of a checkout): %w: %s", importPath, err, strings.TrimSpace(string(out)))
	}
	return nil
}
