//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// The events on a pod, as the README has them.
const (
	refreshFailed   = "GreenticRefreshFailed"
	refreshRestored = "GreenticRefreshRestored"
)

// playEvent seals Vault under a running pod. The driver hides it from everybody that the pod's volume is not refreshed any more; the pod's owner reads
// it in an event, and in another one when it is over. Each call of the driver is to be answered from Vault: the shortest budget that there is.
func playEvent(t *testing.T) {
	s := begin(t, 14, "Vault is sealed under a running pod: an event on the pod says so, and another when it is over")
	b, token := s.sales(t)
	pod := s.start(t, s.reader(b, "worker", volume{class: "own", files: []string{"sales/slack/bot_token"}}))
	told := map[string]string{"sales/slack/bot_token": digest(token)}
	require.Equal(t, told, s.told(t, pod, 0))
	troubled := s.metric(t, "greentic_provider_sessions_troubled")

	s.sealed(t, func() {
		began := time.Now()
		failed := s.event(t, pod, refreshFailed)
		s.measure("%s: %.1f s after Vault is sealed", refreshFailed, time.Since(began).Seconds())
		assert.Equal(t, corev1.EventTypeWarning, failed.Type)
		assert.Contains(t, failed.Message, "the volume's secrets stay as they were until they can be read again: ")
		assert.Contains(t, failed.Message, "vault is not available")
		assert.Contains(t, failed.Message, "sealed")
		assert.NotContains(t, failed.Message, token)
		assert.Greater(t, s.metric(t, "greentic_provider_sessions_troubled"), troubled)
		s.heardAgain(t, pod)
		assert.Equal(t, told, s.told(t, pod, 0), "they stay as they were")
		assert.Equal(t, int32(1), s.event(t, pod, refreshFailed).Count, "it is told when it begins, and not again at each call")
		early, err := s.events(t.Context(), pod, refreshRestored)
		require.NoError(t, err)
		assert.Empty(t, early)
	})
	began := time.Now()
	restored := s.event(t, pod, refreshRestored)
	s.measure("%s: %.1f s after it is unsealed; a Vault that did not answer is asked only now and then", refreshRestored, time.Since(began).Seconds())
	assert.Equal(t, corev1.EventTypeNormal, restored.Type)
	assert.Equal(t, "the volume's secrets are read from Vault again", restored.Message)
	assert.Equal(t, told, s.told(t, pod, 0))
	assert.Equal(t, int32(1), s.event(t, pod, refreshFailed).Count)
	now, err := s.Kube.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Zero(t, now.Status.ContainerStatuses[0].RestartCount, "the worker has seen nothing of it")

	described, err := s.Cluster.Node().Exec(t.Context(), "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace="+pod.Namespace, "describe", "pod", pod.Name)
	require.NoError(t, err)
	assert.Contains(t, string(described), refreshFailed)
	assert.Contains(t, string(described), refreshRestored)
}

// sealed seals Vault, and unseals it again after what happens meanwhile.
func (s *story) sealed(t *testing.T, meanwhile func()) {
	t.Helper()
	require.NoError(t, s.Vault.Seal(soon(t)))
	unsealed := false
	t.Cleanup(func() {
		if !unsealed {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			assert.NoError(t, s.Vault.Unseal(ctx))
		}
	})
	meanwhile()
	require.NoError(t, s.Vault.Unseal(soon(t)))
	unsealed = true
}

// event is the provider's event of a reason on a pod. Its kubelet is made to look at the pod, and so at its volumes, until there is one.
func (s *story) event(t *testing.T, pod *corev1.Pod, reason string) corev1.Event {
	t.Helper()
	var found []corev1.Event
	var nudged time.Time
	s.eventually(t, "the event "+reason, func(ctx context.Context) error {
		var err error
		if found, err = s.events(ctx, pod, reason); err != nil || len(found) > 0 {
			return err
		}
		if time.Since(nudged) < 3*time.Second {
			return fmt.Errorf("there is none on pod %s/%s", pod.Namespace, pod.Name)
		}
		nudged = time.Now()
		return errors.Join(s.Nudge(ctx, pod), errors.New("its kubelet has been told to look at it"))
	})
	require.Len(t, found, 1)
	assert.Equal(t, stage.Release, found[0].Source.Component)
	return found[0]
}

// events are those of a reason on a pod.
func (s *story) events(ctx context.Context, pod *corev1.Pod, reason string) ([]corev1.Event, error) {
	list, err := s.Kube.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fmt.Sprintf("involvedObject.uid=%s,reason=%s", pod.UID, reason),
	})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
