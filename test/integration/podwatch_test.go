package integration_test

import (
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// watching starts a provider with the pod watch of the lab's node, with no more rights than the chart gives it.
func (w *world) watching(t *testing.T, c config) *provider {
	t.Helper()
	address, err := url.Parse(w.KubernetesHost())
	require.NoError(t, err)
	p, err := w.newProvider(unique("p"), c)
	require.NoError(t, err)
	node := (lab.Pod{Namespace: "n", Name: "n", ServiceAccount: "n", Class: "n"}).Object().Spec.NodeName
	p.args = append(p.args, "--events=false", "--pod-watch-node="+node, "--api-access="+w.access(t, "pods", "list, watch"))
	p.env = []string{"KUBERNETES_SERVICE_HOST=" + address.Hostname(), "KUBERNETES_SERVICE_PORT=" + address.Port()}
	p.start(t)
	eventually(t, func() bool { return strings.Contains(p.scrape(t), "\ngreentic_provider_pod_watch_up 1\n") }, "the watch is up")
	return p
}

// TestThePodWatchRevokes has the real API server, Vault and PostgreSQL: a credential works until its pod has ended, and not 5 s longer.
func TestThePodWatchRevokes(t *testing.T) {
	t.Parallel()
	l := newLeasing(t, "watched")
	l.credentials(t, l.sales, "1h", "2h")
	provider := l.watching(t, l.config())
	now, longer := int64(0), int64(60)
	remove := func(pod *corev1.Pod, grace *int64) {
		require.NoError(t, l.Clientset().CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: grace}))
	}
	phase := func(phase corev1.PodPhase) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			changed := pod.DeepCopy()
			changed.Status.Phase, changed.ResourceVersion = phase, ""
			_, err := l.Clientset().CoreV1().Pods(pod.Namespace).UpdateStatus(t.Context(), changed, metav1.UpdateOptions{})
			require.NoError(t, err)
		}
	}
	class := l.credentialClass(provider, l.sales)
	stays := l.mount(t, class)
	user, password := credential(t, stays)
	for _, row := range []struct {
		name string
		end  func(*corev1.Pod)
	}{
		{"deleted", func(pod *corev1.Pod) { remove(pod, &now) }},
		{"succeeded", phase(corev1.PodSucceeded)},
		{"failed", phase(corev1.PodFailed)},
	} {
		volume := l.mount(t, class)
		other, secret := credential(t, volume)
		require.NotEqual(t, user, other)
		require.True(t, l.database.Works(t.Context(), other, secret))
		if row.name == "deleted" { // which begins with a timestamp
			remove(volume.Pod(), &longer)
			time.Sleep(time.Second)
			require.True(t, l.database.Works(t.Context(), other, secret), "its containers are terminating, and may need it")
		}
		began := time.Now()
		row.end(volume.Pod())
		var took time.Duration
		eventually(t, func() bool {
			took = time.Since(began) // when it was asked, not when psql was done
			return !l.database.Works(t.Context(), other, secret)
		}, "the credential of a pod that has "+row.name)
		t.Logf("%s: the credential did not work any more after %s, of 5 s that are promised", row.name, took.Round(time.Millisecond))
		require.True(t, l.database.Works(t.Context(), user, password), "another pod's works on")
	}
	eventually(t, func() bool { return l.database.Users(t, "v-%") == "1" }, "Vault drops the users")
	metrics := provider.scrape(t)
	assert.Contains(t, metrics, `greentic_provider_lease_events_total{what="revoked"} 3`)
	assert.Contains(t, metrics, "\ngreentic_provider_pods_ended_total 3\n")
	assert.Contains(t, metrics, "\ngreentic_provider_sessions 1\n")

	require.NoError(t, provider.Signal(syscall.SIGTERM))
	<-provider.Done()
	assert.True(t, l.database.Works(t.Context(), user, password), "the provider's end is no pod's")
}
