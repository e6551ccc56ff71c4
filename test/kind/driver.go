package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/greenticai/gtc-csi-provider/test/helm"
	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
)

const (
	driverName    = "secrets-store.csi.k8s.io"
	driverRelease = "csi-secrets-store"
)

// InstallDriver installs the Secrets Store CSI driver by its own chart, as it is, into kube-system as the release csi-secrets-store, or changes the
// values of the one that is there. It returns when the driver is ready and the kubelet knows it. values are the chart's own.
func (c *Cluster) InstallDriver(ctx context.Context, values map[string]any) (err error) {
	chart, err := servers.DriverChart(ctx)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		return fmt.Errorf("writing the driver's values: %w", err)
	}
	file, err := os.CreateTemp("", "gtc-driver-values-*.yaml")
	if err != nil {
		return fmt.Errorf("writing the driver's values: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the driver's values: %w", err)
	}
	stop := progress.Start(c.options.Progress, "installing the driver (about 10s; the first time helm is compiled, about 5m)", "installing the driver",
		"the driver is ready")
	defer func() { stop(err) }()
	if _, err := helm.Run(ctx, "upgrade", "--install", driverRelease, chart, "--namespace="+metav1.NamespaceSystem, "--kubeconfig="+c.Kubeconfig(),
		"--values="+file.Name(), "--wait", "--timeout=4m"); err != nil {
		return fmt.Errorf("installing the driver: %w", err)
	}
	return c.awaitDriver(ctx)
}

// awaitDriver waits until the kubelet has registered the driver.
func (c *Cluster) awaitDriver(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, errors.New("it took too long"))
	defer cancel()
	for {
		node, err := c.client.StorageV1().CSINodes().Get(ctx, c.Node().name, metav1.GetOptions{})
		if err == nil {
			for _, driver := range node.Spec.Drivers {
				if driver.Name == driverName {
					return nil
				}
			}
			err = errors.New("the kubelet does not know it")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the driver to be registered: %w: %w", context.Cause(ctx), err)
		case <-time.After(lookAgain):
		}
	}
}
