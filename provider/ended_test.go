package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/podwatch"
)

// TestThePodsEnd forgets and revokes what that pod had, and nothing of another with its name.
func TestThePodsEnd(t *testing.T) {
	v, _ := leasing(t)
	w := wire(t, configuration(v)+rawPaths)
	for i := range 2 {
		_, err := w.mount(t, replica(good(credentials), i))
		require.NoError(t, err)
	}
	pod := podwatch.Pod{Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: "another"}
	w.server.PodEnded(pod)
	assert.Equal(t, 2.0, w.metric(t, "greentic_provider_sessions"))
	assert.Zero(t, w.metric(t, "greentic_provider_pods_ended_total"), "most pods have nothing of ours")

	pod.UID = "00000000-0000-0000-0000-000000000000"
	w.server.PodEnded(pod)
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_sessions"), "at once")
	require.Eventually(t, func() bool { return w.metric(t, "greentic_provider_lease_events_total", "what", "revoked") == 1 }, 30*time.Second, time.Millisecond)
	asked := v.asked()
	assert.Equal(t, "auth/token/revoke-self", asked[len(asked)-1])
	assert.Equal(t, 1, strings.Count(strings.Join(asked, " "), "revoke"), "of two tokens one")
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_leases"))
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_pods_ended_total"))
	assert.Contains(t, w.log.String(), "pod has ended, its lease was revoked")
	assert.NotContains(t, w.log.String(), "canary")

	assert.Zero(t, w.metric(t, "greentic_provider_pod_watch_up"))
	w.server.PodsWatched(true)
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_pod_watch_up"))
	w.server.PodsWatched(false)
	assert.Zero(t, w.metric(t, "greentic_provider_pod_watch_up"))
}
