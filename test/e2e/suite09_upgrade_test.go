//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// wave is how many pods start at each stage of the upgrade.
const wave = 10

// playUpgrade replaces the provider by a chart's upgrade while pods start: before it, while the new provider stands beside the old one, and while
// the old one ends.
func playUpgrade(t *testing.T) {
	s := begin(t, 9, "a rolling upgrade of the chart while 30 pods start: none fails for good")
	s.settle(t)
	b, token := s.sales(t)
	ctx := long(t)
	wait := s.stopwatch(ctx, b.Namespace, 3*wave, stage.Ready)
	old, err := s.Providers(ctx)
	require.NoError(t, err)
	require.Len(t, old, 1)

	s.wave(t, b, "before")
	began := time.Now()
	upgraded := make(chan error, 1)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, s.Reconfigure(ctx, nil))
	})
	go func() {
		upgraded <- s.InstallChart(ctx, map[string]any{"podAnnotations": map[string]any{"e2e.greentic.ai/upgraded": began.Format(time.RFC3339Nano)}})
	}()
	successor, err := stage.Await(ctx, s.Pods(), stage.Namespace, "", func(pod *corev1.Pod) error {
		if pod.Annotations["e2e.greentic.ai/upgraded"] == "" {
			return fmt.Errorf("pod %s is of the old chart", pod.Name)
		}
		return nil
	})
	require.NoError(t, err)
	s.wave(t, b, "beside")
	_, err = stage.Await(ctx, s.Pods(), stage.Namespace, old[0].Name, func(pod *corev1.Pod) error {
		if pod.DeletionTimestamp == nil {
			return fmt.Errorf("pod %s has not been told to end", pod.Name)
		}
		return nil
	})
	require.NoError(t, err)
	s.wave(t, b, "after")
	require.NoError(t, <-upgraded)
	took := time.Since(began)
	starts, err := wait()
	require.NoError(t, err)

	now, err := s.Providers(t.Context())
	require.NoError(t, err)
	require.Len(t, now, 1)
	assert.Equal(t, successor.UID, now[0].UID, "the provider of the new chart")
	list, err := s.Kube.CoreV1().Pods(b.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 3*wave)
	for i := range list.Items {
		pod := &list.Items[i]
		assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(token)}, s.told(t, pod, 0))
		assert.Zero(t, pod.Status.ContainerStatuses[0].RestartCount, "restarts of %s", pod.Name)
	}
	s.measure("the upgrade took %.1f s; %d pods from scheduled to ready: %s; %d mounts were tried again", took.Seconds(), 3*wave, starts, s.failedMounts(t, b.Namespace))
}

// sales is a team's badge that has one secret, and the class "own" that names it.
func (s *story) sales(t *testing.T) (badge.Badge, string) {
	t.Helper()
	e := s.environment(t, s.id(""), nil, "sales/slack/bot_token")
	e.wire(t)
	token := s.secret(t, "xoxb-")
	e.put(t, "sales/slack/bot_token", token)
	scope := e.scope(t, "sales")
	b := badge.For(badge.LayoutScope, scope)
	s.wear(t, b)
	s.applyTyped(t, class(b.Namespace, "own", map[string]string{
		"scope": scope.String(), "objects": objects("ref: " + e.ref(t, "sales/slack/bot_token").String()),
	}))
	return b, token
}

// wave creates pods at once.
func (s *story) wave(t *testing.T, b badge.Badge, name string) {
	t.Helper()
	for i := range wave {
		s.create(t, s.reader(b, fmt.Sprintf("%s-%d", name, i), volume{class: "own", files: []string{"sales/slack/bot_token"}}))
	}
}

// failedMounts counts the mounts that were refused in a namespace, as the pods' owners read it.
func (s *story) failedMounts(t *testing.T, namespace string) int {
	t.Helper()
	events, err := s.Kube.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=FailedMount"})
	require.NoError(t, err)
	count := 0
	for _, event := range events.Items {
		if strings.Contains(event.Message, "secrets-store") {
			count += int(max(1, event.Count))
		}
	}
	return count
}
