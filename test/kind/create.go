package kind

import (
	"context"
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"

	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/kind/node"
)

// withKind calls kind on the cluster's engine.
func (c *Cluster) withKind(do func(*cluster.Provider) error) error {
	giveBack, err := c.engine.Lend()
	if err != nil {
		return err
	}
	defer giveBack()
	if err := do(cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(logger{c}))); err != nil {
		return describe(err)
	}
	return nil
}

// describe adds the last words of the command that kind has run, which kind's own errors keep to themselves.
func describe(err error) error {
	if run := exec.RunErrorForError(err); run != nil {
		words := run.Output
		return fmt.Errorf("kind: %w\n%s", err, words[max(0, len(words)-4096):])
	}
	return fmt.Errorf("kind: %w", err)
}

// create lets kind create the cluster. Kind knows no context: when ctx ends, its node is looked at and taken from under it, and kind fails at once.
func (c *Cluster) create(ctx context.Context, image node.Node) error {
	stop := context.AfterFunc(ctx, func() {
		after := context.WithoutCancel(ctx)
		_ = c.collectFailure(after) // its error comes again with Up's
		_, _ = c.engine.Docker(after, "rm", "-fv", c.Node().name)
	})
	defer stop()
	if err := c.engine.Network(ctx, "kind"); err != nil { // kind calls its network so, and takes one that is there
		return err
	}
	err := c.withKind(func(kind *cluster.Provider) error {
		if err := kind.Delete(c.options.Name, c.Kubeconfig()); err != nil { // what a process that was killed has left
			return err
		}
		return kind.Create(c.options.Name,
			cluster.CreateWithV1Alpha4Config(configuration(image, cgroupV1("/sys/fs/cgroup"))), cluster.CreateWithNodeImage(image.Image),
			cluster.CreateWithKubeconfigPath(c.Kubeconfig()), cluster.CreateWithRetain(true), // until its logs are kept
			cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false))
	})
	if ctx.Err() != nil {
		return context.Cause(ctx) // what kind says of a node that is gone explains nothing
	}
	return err
}

// configuration is what differs from kind's defaults.
func configuration(image node.Node, cgroupV1 bool) *v1alpha4.Cluster {
	config := &v1alpha4.Cluster{Nodes: []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}}}
	if cgroupV1 { // the kubelet serves it still, if it is told to
		config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, "kind: KubeletConfiguration\nfailCgroupV1: false\n")
	}
	if image.Made != nil {
		config.Networking.DisableDefaultCNI = true // the image brings its own, without a program that had to be pulled
		config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, fmt.Sprintf(
			// A cluster does not outlive its machine: etcd need not wait for the disk.
			"kind: ClusterConfiguration\netcd:\n  local:\n    imageTag: %q\n    extraArgs:\n      unsafe-no-fsync: \"true\"\ndns:\n  imageTag: %q\n",
			image.Made.EtcdTag, image.Made.DNSTag))
	}
	v1alpha4.SetDefaultsCluster(config)
	return config
}

// cgroupV1 says whether the machine, whose containers have no other choice, mounts control groups as they were before version 2.
func cgroupV1(mount string) bool {
	_, err := os.Stat(mount + "/cgroup.controllers")
	return err != nil
}

// logger passes on what kind tells a person; not its details.
type logger struct{ cluster *Cluster }

// Warn passes on a warning.
func (l logger) Warn(message string) { progress.Say(l.cluster.options.Progress, "kind: %s", message) }

// Warnf is Warn with a format.
func (l logger) Warnf(format string, args ...any) { l.Warn(fmt.Sprintf(format, args...)) }

// Error passes on what kind also returns as an error, or goes on without.
func (l logger) Error(message string) { l.Warn(message) }

// Errorf is Error with a format.
func (l logger) Errorf(format string, args ...any) { l.Warnf(format, args...) }

// V returns a logger of nothing: the steps of half a minute need no telling.
func (logger) V(log.Level) log.InfoLogger { return log.NoopInfoLogger{} }
