//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// playPodWatch has the chart's pod watch on: the provider is told of a pod's end, and what the pod had is revoked then. Suite 13 is the same without.
func playPodWatch(t *testing.T) {
	s := begin(t, 16, "with podWatch.enabled a database's credential ends when its pod does")
	s.reconfigure(t, map[string]any{"podWatch": map[string]any{"enabled": true}})
	s.eventually(t, "the pod watch", func(ctx context.Context) error {
		up, err := s.metricNow(ctx, "greentic_provider_pod_watch_up")
		if err == nil && up != 1 {
			err = errors.New("the provider does not hear of pods' ends")
		}
		return err
	})
	l := s.leasing(t)
	pod, made := l.holder(t, "ends")
	stays, others := l.holder(t, "stays")
	silent := s.silent(t)

	require.NoError(t, s.Kube.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	require.NoError(t, stage.AwaitGone(soon(t), s.Pods(), pod.Namespace, pod.Name))
	began := time.Now()
	s.eventually(t, "the credential's end", func(ctx context.Context) error {
		good, err := l.database.LetsIn(ctx, made.user, made.password)
		if err == nil && good {
			err = errors.New("the database lets it in")
		}
		return err
	})
	s.measure("the credential has ended %.1f s after its pod is gone", time.Since(began).Seconds())
	assert.NotZero(t, s.asked(t, pod, "auth/token/revoke-self"), "revocations for the pod")
	assert.Equal(t, silent, s.silent(t), "leases that were given up for silence")
	assert.Equal(t, others, l.credential(t, stays), "a pod that runs keeps its own")
	assert.Equal(t, 1, s.metric(t, "greentic_provider_leases"))
}
