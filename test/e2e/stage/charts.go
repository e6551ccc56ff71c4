package stage

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/greenticai/gtc-csi-provider/test/helm"
)

// driverValues are what the product asks of the driver's chart.
func driverValues() map[string]any {
	return map[string]any{
		"enableSecretRotation": true,
		"rotationPollInterval": "0s",
		"tokenRequests":        []map[string]any{{"audience": Audience}},
	}
}

// PodSilence is after how long the provider gives up a pod that it does not hear of. A kubelet has it hear of each pod after 60 to 90 s.
const PodSilence = 3 * time.Minute

// InstallDriver installs the driver by its own chart, or upgrades it: with the values that the product asks for and change over them.
func (s *Stage) InstallDriver(ctx context.Context, change map[string]any) error {
	values := driverValues()
	maps.Copy(values, change)
	return s.Cluster.InstallDriver(ctx, values)
}

// Connection is the stage's Vault as the chart's value vaults has it, with change over it.
func (s *Stage) Connection(change map[string]any) map[string]any {
	connection := map[string]any{"name": "default", "addresses": []string{VaultAddress}, "audience": Audience, "caCert": s.Vault.CA()}
	maps.Copy(connection, change)
	return connection
}

// InstallChart installs the product's chart, or upgrades it, with change over the stage's own values, and returns when it is ready.
func (s *Stage) InstallChart(ctx context.Context, change map[string]any) error {
	_, err := s.upgrade(ctx, change, "--wait", "--timeout", "5m")
	if err != nil {
		return err
	}
	_, err = Await(ctx, s.DaemonSets(), Namespace, Release, RolledOut)
	return err
}

// Notes are the chart's install notes for the cluster as it is now.
func (s *Stage) Notes(ctx context.Context) (string, error) {
	return s.upgrade(ctx, nil, "--dry-run=server", "--hide-secret")
}

func (s *Stage) upgrade(ctx context.Context, change map[string]any, flags ...string) (string, error) {
	values := map[string]any{
		"image":         map[string]any{"tag": s.Images.Tag},
		"deployerImage": map[string]any{"tag": s.Images.Tag},
		"vaults":        []map[string]any{s.Connection(nil)},
		// So that a rotation is seen at a kubelet's next look at the pod, and not up to 5 minutes later; and that a pod's end is noticed after two
		// or three looks that did not come.
		"refresh":  map[string]any{"interval": "always", "podSilence": PodSilence.String()},
		"rawPaths": []map[string]any{{"path": "database/creds/{role}", "kind": "lease", "scopes": []string{"*/*/leased"}}},
	}
	maps.Copy(values, change)
	text, err := json.Marshal(values)
	if err != nil {
		return "", err
	}
	file, err := s.Write("values.json", text)
	if err != nil {
		return "", err
	}
	args := []string{
		"upgrade", Release, filepath.Join(s.Root, "chart"), "--install", "--namespace", Namespace, "--create-namespace", "--values", file,
	}
	return s.Helm(ctx, append(args, flags...)...)
}

// HelmTest is `helm test`; the text is what the chart's test said, where it failed. Helm's own --logs is of no use: it asks for the logs of
// every hook, also of those that are no pods.
func (s *Stage) HelmTest(ctx context.Context) (string, error) {
	_, err := s.Helm(ctx, "test", Release, "--namespace", Namespace, "--timeout", "3m")
	if err == nil {
		return "", nil
	}
	said, logErr := s.Kube.CoreV1().Pods(Namespace).GetLogs(Release+"-doctor", &corev1.PodLogOptions{}).DoRaw(ctx)
	return string(said), errors.Join(err, logErr)
}

// Helm runs helm on the cluster.
func (s *Stage) Helm(ctx context.Context, args ...string) (string, error) {
	return helm.Run(ctx, append(args, "--kubeconfig", s.Cluster.Kubeconfig())...)
}
