//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// playLease follows a database's credential: made once for its pod, the same and good for as long as its kubelet speaks of the pod, past its first life,
// and ended by itself some time after the pod.
func playLease(t *testing.T) {
	s := begin(t, 13, "a database's credential outlives its first life while its pod runs, and ends after the pod")
	l := s.leasing(t)
	pod, made := l.holder(t, "worker")
	t.Run("it outlives its first life", func(t *testing.T) { l.outlives(t, pod, made) })
	t.Run("it ends after the pod", func(t *testing.T) { l.endsAfter(t, pod, made) })
}

// outlives has the driver ask for the volume again and again, until the credential must have been renewed to be good still.
func (l *leasing) outlives(t *testing.T, pod *corev1.Pod, made credential) {
	began, asked := time.Now(), 0
	for ; time.Since(began) < leaseTTL+5*time.Second || asked < 5; asked++ {
		l.story.heardAgain(t, pod)
		require.Equal(t, made, l.credential(t, pod), "another one")
		// What changes next comes with time alone.
		time.Sleep(5 * time.Second)
	}
	assert.Equal(t, 1, l.story.asked(t, pod, "database/creds/"), "credentials that Vault has made for the pod")
	l.story.measure("a credential of %.0f s is good after %.0f s, and the same in %d answers", leaseTTL.Seconds(), time.Since(began).Seconds(), asked)
}

// endsAfter deletes the pod. Nobody tells the provider: it gives the pod up when it has not heard of it for long enough, takes nothing away, and
// what nobody renews ends at Vault, and so in the database.
func (l *leasing) endsAfter(t *testing.T, pod *corev1.Pod, made credential) {
	s := l.story
	before := s.silent(t)
	require.NoError(t, s.Kube.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	require.NoError(t, stage.AwaitGone(soon(t), s.Pods(), pod.Namespace, pod.Name))
	began := time.Now()
	for silent := false; !silent; time.Sleep(time.Second) {
		require.Less(t, time.Since(began), stage.PodSilence+patience, "the provider does not give the pod up")
		good := l.isGood(t, made)
		silent = s.silent(t) > before
		require.True(t, good || silent, "the credential has ended before the provider has given the pod up")
	}
	silence := time.Since(began)
	s.eventually(t, "the credential's end", func(ctx context.Context) error {
		count, err := l.database.Query(ctx, fmt.Sprintf("SELECT count(*) FROM pg_roles WHERE rolname = '%s'", made.user))
		if err == nil && count != "0" {
			err = fmt.Errorf("the database has %s such user", count)
		}
		return err
	})
	assert.False(t, l.isGood(t, made))
	assert.Zero(t, s.asked(t, pod, "sys/leases/revoke"), "revocations for the pod")
	s.measure("after its pod's end it is renewed for %.0f s more (podSilence %s), and has ended after %.0f s", silence.Seconds(), stage.PodSilence,
		time.Since(began).Seconds())
}

// silent is how many leases the provider has given up because it did not hear of their pods.
func (s *story) silent(t *testing.T) int {
	t.Helper()
	return s.metric(t, `greentic_provider_lease_events_total{what="silent"}`)
}
