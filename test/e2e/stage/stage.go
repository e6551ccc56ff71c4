// Package stage is what the suites play on: a kind cluster with the Secrets Store CSI driver, Vault and the product's chart, each installed
// as an operator would.
package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/greenticai/gtc-csi-provider/test/kind"
)

// Names of what the stage installs.
const (
	Release   = "gtc-csi-provider" // the chart's
	Namespace = "gtc-system"       // where it is installed
	Audience  = "vault"            // whom the pods' tokens are for
)

// Options say where the stage stands.
type Options struct {
	Name      string    // the cluster's
	Root      string    // the product's checkout, with the programs that `make image` made
	Dir       string    // a folder of the stage's own: values, certificates, environment files
	Artifacts string    // where logs, events and descriptions of a failed start go
	Progress  io.Writer // gets a line for each step
	Keep      bool      // use the cluster of this name that was left up, if there is one, and leave it up
}

// Stage is a cluster that is ready for suites.
type Stage struct {
	Options
	Cluster *kind.Cluster
	Kube    kubernetes.Interface
	Vault   *Vault
	Images  Images

	dynamic dynamic.Interface
	mapper  resetter
}

// Up brings everything up. The caller calls Down also where it fails, unless the stage is nil.
func Up(ctx context.Context, o Options) (*Stage, error) {
	s := &Stage{Options: o}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"a kind cluster", s.cluster},
		{"images", s.images},
		{"the CSI driver", func(ctx context.Context) error { return s.InstallDriver(ctx, nil) }},
		{"Vault", s.startVault},
		{"the chart", func(ctx context.Context) error { return s.Reconfigure(ctx, nil) }},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return s, fmt.Errorf("%s: %w", step.what, err)
		}
		s.say("%s: %s", step.what, time.Since(began).Round(100*time.Millisecond))
	}
	return s, nil
}

// Down takes the cluster down, or with Keep says how to look around in it.
func (s *Stage) Down(ctx context.Context) error {
	if s.Cluster == nil {
		return nil
	}
	return s.Cluster.Down(ctx)
}

// RestartNode restarts the node as a machine restarts, and returns when it is ready again. It may have another address then.
func (s *Stage) RestartNode(ctx context.Context) error {
	if err := s.Cluster.Node().Restart(ctx); err != nil {
		return err
	}
	return s.Vault.find(ctx)
}

func (s *Stage) say(format string, args ...any) { fmt.Fprintf(s.Progress, format+"\n", args...) }

func (s *Stage) cluster(ctx context.Context) (err error) {
	if err := os.MkdirAll(s.Dir, 0o750); err != nil {
		return err
	}
	o := kind.Options{Name: s.Name, Progress: s.Progress, Keep: s.Keep, Artifacts: s.Artifacts}
	absent := errors.New("none is asked for")
	if s.Keep { // else everything is to be from nothing
		s.Cluster, absent = kind.Attach(ctx, o)
	}
	if absent != nil {
		if s.Cluster, err = kind.Up(ctx, o); err != nil {
			return err
		}
	}
	config := s.Cluster.RestConfig()
	if s.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if s.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	s.mapper = newMapper(s.Kube.Discovery())
	return nil
}

// Write writes a file into the stage's folder, for its owner alone, and returns its path.
func (s *Stage) Write(name string, content []byte) (string, error) {
	path := filepath.Join(s.Dir, name)
	return path, errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, content, 0o600))
}
