package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// classKind is the kind that a pod's volume names.
const classKind = "SecretProviderClass"

var classGroupVersion = schema.GroupVersion{Group: "secrets-store.csi.x-k8s.io", Version: "v1"}

// driver is what the lab knows of the CSI driver besides its process.
type driver struct {
	*server
	poll    time.Duration // what it is started with; guarded by server.mu
	markers atomic.Int64
}

func (l *Lab) prepareDriver() error {
	l.driver.server = &server{group: l.group, name: "driver", command: l.driverCommand, ready: l.driverServes}
	return nil
}

func (l *Lab) driverCommand() *exec.Cmd {
	args := []string{
		"--endpoint=unix://" + l.driverSocket(), "--drivername=" + driverName, "--nodeid=" + nodeName,
		"--provider-volume=" + l.path("providers"), "--additional-provider-volume-paths=",
		"--metrics-addr=" + loopback(l.ports.driverMetrics),
		"--enable-secret-rotation=true", "--rotation-poll-interval=" + l.driver.poll.String(),
	}
	if l.options.Verbose {
		args = append(args, "-v=5")
	}
	cmd := l.node.Command(context.Background(), l.programs.driver.Path, args...)
	cmd.Env = append(l.group.Environment(), "KUBECONFIG="+l.path("driver", "kubeconfig"))
	return cmd
}

func (l *Lab) driverSocket() string { return l.path("driver", "csi.sock") }

// StartDriver starts the CSI driver on the node with a rotation poll interval and waits until it serves and sees the cluster.
func (l *Lab) StartDriver(ctx context.Context, poll time.Duration) error {
	l.driver.mu.Lock()
	l.driver.poll = poll
	l.driver.mu.Unlock()
	if err := l.driver.start(ctx); err != nil {
		return err
	}
	return l.SyncDriver(ctx)
}

// StopDriver ends the driver in order: it waits for the calls that are in flight.
func (l *Lab) StopDriver(ctx context.Context) error { return l.driver.stop(ctx) }

// KillDriver ends the driver at once, as the kernel would for lack of memory. What it has mounted stays mounted.
func (l *Lab) KillDriver() { l.driver.kill() }

// PauseDriver makes the driver hang: connections are taken, and nothing answers until ResumeDriver.
func (l *Lab) PauseDriver() error { return l.driver.pause() }

// ResumeDriver ends PauseDriver.
func (l *Lab) ResumeDriver() error { return l.driver.resume() }

// RestartDriver stops the driver and starts it with another poll interval.
func (l *Lab) RestartDriver(ctx context.Context, poll time.Duration) error {
	if err := l.StopDriver(ctx); err != nil {
		return err
	}
	return l.StartDriver(ctx, poll)
}

// DriverRunning says whether the driver's process runs.
func (l *Lab) DriverRunning() bool { return l.driver.running() }

// DriverMetrics is the URL of the driver's metrics.
func (l *Lab) DriverMetrics() string { return "http://" + loopback(l.ports.driverMetrics) + "/metrics" }

// ProviderSocket is the path where the driver looks for the socket of the provider called name.
func (l *Lab) ProviderSocket(name string) string { return l.path("providers", name+".sock") }

// ProviderDir is the folder of the providers' sockets.
func (l *Lab) ProviderDir() string { return l.path("providers") }

// dialDriver connects to the driver as a kubelet does: once for each call.
func (l *Lab) dialDriver() (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("unix:"+l.driverSocket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connecting to the driver: %w", err)
	}
	return conn, nil
}

// driverServes is nil once the driver's socket answers.
func (l *Lab) driverServes(ctx context.Context) error {
	conn, err := l.dialDriver()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := csi.NewIdentityClient(conn).Probe(ctx, &csi.ProbeRequest{}); err != nil {
		return fmt.Errorf("probing the driver: %w", err)
	}
	return nil
}

// SyncDriver waits until the driver has seen all that was done to classes before. The driver reads classes from one watch, which is in
// order: when it knows a marker class that was made last, it knows the others. The marker names no provider, so a publish that gets as far as
// saying that proves it. Apply calls it where it applies classes.
func (l *Lab) SyncDriver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := fmt.Sprintf("gtc-lab-marker-%d", l.driver.markers.Add(1))
	marker := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	marker.SetGroupVersionKind(classGroupVersion.WithKind(classKind))
	marker.SetName(name)
	marker.SetNamespace(metav1.NamespaceDefault)
	if err := l.apply(ctx, marker); err != nil {
		return fmt.Errorf("making the marker class: %w", err)
	}
	target := l.path("driver", name)
	for {
		err := l.publishMarker(ctx, name, target)
		if strings.Contains(err.Error(), "provider not set in") {
			return errors.Join(os.RemoveAll(target), l.Delete(ctx, marker))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the driver to see its classes: %w: %w", context.Cause(ctx), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// errMarkerMounted cannot be: the marker class has no provider.
var errMarkerMounted = errors.New("the driver mounted a class without a provider")

func (l *Lab) publishMarker(ctx context.Context, class, target string) error {
	if err := os.RemoveAll(target); err != nil { // made by the last try; were it there, the driver might call the volume fresh
		return err
	}
	conn, err := l.dialDriver()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = csi.NewNodeClient(conn).NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId: class, TargetPath: target, Readonly: true,
		VolumeCapability: volumeCapability(csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER, ""),
		VolumeContext: map[string]string{
			"secretProviderClass": class, "csi.storage.k8s.io/pod.namespace": metav1.NamespaceDefault, "csi.storage.k8s.io/pod.name": class,
		},
	})
	if err == nil {
		return errMarkerMounted
	}
	return err
}
