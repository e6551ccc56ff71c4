// Package standin builds the small programs of ours that a cluster needs where nothing can be pulled.
package standin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
)

// Programs are the files of the programs.
type Programs struct {
	// Pause holds a pod's namespaces.
	Pause string
	// Crictl answers what kind asks of containerd.
	Crictl string
	// Registrar tells the kubelet of a CSI driver.
	Registrar string
	// LivenessProbe serves a CSI driver's health.
	LivenessProbe string
	// Runtime is an OCI runtime for machines that lack a capability.
	Runtime string
}

// Build builds the programs into dir. Where they stand already, built from the same sources, it takes a second.
func Build(ctx context.Context, dir string) (Programs, error) {
	module, err := servers.Module(ctx)
	if err != nil {
		return Programs{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Programs{}, fmt.Errorf("making the folder of the stand-ins: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir+string(filepath.Separator),
		"./kind/internal/...")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if _, err := engine.Output(cmd); err != nil {
		return Programs{}, fmt.Errorf("building the stand-ins: %w", err)
	}
	return Programs{
		Pause: filepath.Join(dir, "pause"), Crictl: filepath.Join(dir, "crictl"), Registrar: filepath.Join(dir, "registrar"),
		LivenessProbe: filepath.Join(dir, "livenessprobe"), Runtime: filepath.Join(dir, "runtime"),
	}, nil
}
