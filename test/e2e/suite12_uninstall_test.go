//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/test/e2e/search"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// playUninstall takes the chart away. Pods that run keep their files; nothing of the provider is left on the node or in the API. At its end the
// chart is installed again, and a pod that could not start does.
func playUninstall(t *testing.T) {
	s := begin(t, 12, "uninstall leaves no socket, process, link or object; pods that run keep their files")
	s.settle(t)
	b, token := s.sales(t)
	told := map[string]string{"sales/slack/bot_token": digest(token)}
	own := volume{class: "own", files: []string{"sales/slack/bot_token"}}
	running := s.start(t, s.reader(b, "running", own))
	installed, err := s.ofTheRelease(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(installed), 5, "what is searched for can be found")
	require.NoError(t, s.onTheNode(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, s.InstallChart(ctx, nil))
	})

	said, err := s.Helm(soon(t), "uninstall", stage.Release, "--namespace", stage.Namespace, "--wait")
	require.NoError(t, err, said)
	s.eventually(t, "an empty node", func(ctx context.Context) error {
		if err := s.onTheNode(ctx); err == nil || !errors.Is(err, errNothing) {
			return fmt.Errorf("there is something left: %w", err)
		}
		return nil
	})
	s.eventually(t, "no object", func(ctx context.Context) error {
		left, err := s.ofTheRelease(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("there are %q", left)
		}
		return err
	})

	assert.Equal(t, told, s.told(t, running, 0), "who runs keeps what it has")
	waiting := s.create(t, s.reader(b, "waiting", own))
	require.NoError(t, s.Kube.CoreV1().Pods(b.Namespace).Delete(t.Context(), running.Name, metav1.DeleteOptions{}))
	s.eventually(t, "a volume that waits for a provider", func(ctx context.Context) error {
		mounts, err := s.mounts(ctx, waiting.UID)
		if err == nil && len(mounts) != 1 {
			err = errors.New("the driver has not begun")
		}
		return err
	})
	now, err := s.Kube.CoreV1().Pods(b.Namespace).Get(t.Context(), waiting.Name, metav1.GetOptions{})
	require.NoError(t, err)
	for _, status := range now.Status.ContainerStatuses {
		assert.NotNil(t, status.State.Waiting, "container %s has started", status.Name)
	}

	// The driver keeps both waiting for a provider, up to the two minutes that a kubelet gives it; also the one that ends, where its kubelet was just
	// publishing its volume again.
	began := time.Now()
	require.NoError(t, s.InstallChart(soon(t), nil))
	assert.Equal(t, told, s.told(t, s.ready(t, waiting), 0), "who waited starts by itself")
	s.measure("the chart's next installation and a pod that waited for it: %.1f s", time.Since(began).Seconds())
	require.NoError(t, stage.AwaitGone(soon(t), s.Pods(), b.Namespace, running.Name))
	assert.Empty(t, s.mounted(t, running.UID), "an ended pod's files are gone")
}

// errNothing is onTheNode's where the node has nothing of the provider's.
var errNothing = errors.New("nothing of the provider is on the node")

// onTheNode says what the node has of the provider: nil is all of it, errNothing nothing, and any other error something in between.
func (s *story) onTheNode(ctx context.Context) error {
	const script = `
		ls -d /var/run/secrets-store-csi-providers/greentic* /var/lib/kubelet/plugins/*greentic* 2>/dev/null
		pgrep --full --list-full '^/usr/local/bin/gtc-csi-provider'
		true`
	out, err := s.Cluster.Node().Exec(ctx, "sh", "-c", script)
	if err != nil {
		return err
	}
	there := strings.TrimSpace(string(out))
	switch {
	case there == "":
		return errNothing
	case strings.Contains(there, "greentic.sock") && strings.Contains(there, "greentic.d") && strings.Contains(there, "--endpoint"):
		return nil
	}
	return fmt.Errorf("the node has %q", there)
}

// ofTheRelease are the objects of any kind that are the release's: Helm's own record of it, what Helm made, and what came of that.
func (s *story) ofTheRelease(ctx context.Context) ([]string, error) {
	var objects []string
	_, err := search.Each(ctx, s.Cluster.RestConfig(), func(object *unstructured.Unstructured) error {
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		if labels["app.kubernetes.io/instance"] == stage.Release || annotations["meta.helm.sh/release-name"] == stage.Release ||
			labels["owner"] == "helm" && labels["name"] == stage.Release {
			objects = append(objects, fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName()))
		}
		return nil
	})
	return objects, err
}
