//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// Suite 15's pods: as many replicas in each of some teams. What they want is two secrets of the team's and one of the tenant's.
const (
	idleReplicas = 10
	idleSecrets  = 3
	idleInterval = 5 * time.Minute // the default of refreshInterval
)

var idleTeams = []string{"north", "east", "south", "west"}

// idleWindow is for how long they are watched: ten minutes, or what E2E_IDLE says; 0 leaves the suite out.
func idleWindow(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("E2E_IDLE")
	if text == "" {
		return 10 * time.Minute
	}
	window, err := time.ParseDuration(text)
	require.NoError(t, err, "E2E_IDLE is a duration, as 10m")
	if window == 0 {
		t.Skip("E2E_IDLE=0 leaves it out")
	}
	return window
}

// playIdle counts what Vault hears of pods to which nothing happens, by its audit log. Their kubelets have their volumes published again every 60 to
// 90 s all the time. Other suites are played meanwhile; the log tells whose each request is.
func playIdle(t *testing.T) {
	window := idleWindow(t)
	s := begin(t, 15, "what Vault hears of 40 idle pods: their refreshes, once for all replicas, and nothing else")
	s.settle(t)
	pods := s.idlers(t)
	provider := s.oneProvider(t)
	reloads := s.metric(t, reloadsMetric)
	began := time.Now()
	s.standAside(t)
	if left := window - time.Since(began); left > 0 {
		time.Sleep(left)
	}

	now := s.oneProvider(t)
	require.Equal(t, provider.UID, now.UID, "another provider: a suite that was played meanwhile has replaced it, see order_test.go")
	require.Equal(t, restarts(provider), restarts(now), "the provider was restarted meanwhile")
	require.Equal(t, reloads, s.metric(t, reloadsMetric), "the provider's configuration was changed meanwhile, which ends what it remembers")
	s.heardOf(t, pods, began, window)
}

// reloadsMetric counts changes of the provider's configuration.
const reloadsMetric = `greentic_provider_config_reloads_total{result="ok"}`

// idlers starts the pods, and returns their teams by their UIDs when all are ready.
func (s *story) idlers(t *testing.T) map[string]string {
	t.Helper()
	secrets := []string{"_/openai/api_key"}
	for _, team := range idleTeams {
		secrets = append(secrets, team+"/slack/bot_token", team+"/crm/password")
	}
	e := s.environment(t, s.id(""), nil, secrets...)
	e.wire(t)
	for _, path := range secrets {
		e.put(t, path, s.secret(t, ""))
	}
	teams := map[string]string{}
	var made []*corev1.Pod
	for _, team := range idleTeams {
		scope := e.scope(t, team)
		b := badge.For(badge.LayoutScope, scope)
		s.wear(t, b)
		s.applyTyped(t, class(b.Namespace, "idle", map[string]string{
			"scope": scope.String(), "refreshInterval": idleInterval.String(), "objects": objects(
				"ref: "+e.ref(t, team+"/slack/bot_token").String(), "ref: "+e.ref(t, team+"/crm/password").String(), "ref: "+e.ref(t, "_/openai/api_key").String(),
			),
		}))
		for i := range idleReplicas {
			pod := s.reader(b, fmt.Sprintf("%s-%d", team, i), volume{class: "idle"})
			pod.Spec.Containers[0].Args = []string{"-serve", ":" + strconv.Itoa(port), "files", folder, team + "/slack/bot_token"} // it does not watch
			pod.Spec.Containers[0].ReadinessProbe = nil
			made = append(made, s.create(t, pod))
		}
	}
	for i, pod := range made {
		made[i] = s.ready(t, pod)
		teams[string(pod.UID)] = idleTeams[i/idleReplicas]
	}
	return teams
}

// oneProvider is the provider, of which there is one, on the one node.
func (s *story) oneProvider(t *testing.T) *corev1.Pod {
	t.Helper()
	providers, err := s.Providers(t.Context())
	require.NoError(t, err)
	require.Len(t, providers, 1)
	return &providers[0]
}

func restarts(pod *corev1.Pod) (count int32) {
	for _, status := range pod.Status.ContainerStatuses {
		count += status.RestartCount
	}
	return count
}

// heardOf counts what Vault has heard of the pods since they were idle, and holds it against what the README promises: a read of each secret
// at one moment in each refresh interval and a tenth, for all replicas together, and one besides after a new pod's first; a login only where the pod that
// reads has no Vault token any more.
func (s *story) heardOf(t *testing.T, teams map[string]string, since time.Time, window time.Duration) {
	t.Helper()
	logins, reads, decrypts, other := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, r := range s.requests(t) {
		team := teams[r.pod()]
		switch {
		case team == "" || r.Time.Before(since) || r.Time.After(since.Add(window)):
		case strings.HasPrefix(r.Path, "auth/kubernetes/login"):
			logins[team]++
		case strings.HasPrefix(r.Path, "secret/data/"):
			reads[team]++
		case strings.HasPrefix(r.Path, "transit/decrypt/"):
			decrypts[team]++
		default:
			other[r.Path]++
		}
	}
	most := 2 + int(window/(idleInterval*11/10))
	for _, team := range idleTeams {
		assert.LessOrEqual(t, reads[team], most*idleSecrets, "reads for the replicas of %s", team)
		assert.LessOrEqual(t, decrypts[team], most, "transit's calls for %s: one opens all records", team)
		assert.LessOrEqual(t, logins[team], most, "logins of the replicas of %s", team)
		if window >= 2*idleInterval {
			assert.GreaterOrEqual(t, reads[team], idleSecrets, "reads for the replicas of %s: nothing was counted", team)
		}
	}
	assert.Empty(t, other, "what Vault heard besides")
	sum := func(counts map[string]int) (all int) {
		for _, count := range counts {
			all += count
		}
		return all
	}
	calls := len(teams) * int(window/republish)
	s.measure("%d idle pods in %s: Vault hears %d logins, %d reads, %d decryptions; with a read of %d secrets at each of the driver's %d calls or so it were %d",
		len(teams), window, sum(logins), sum(reads), sum(decrypts), idleSecrets, calls, calls*idleSecrets)
}

// republish is the middle of the 60 to 90 s after which a kubelet has a volume published again.
const republish = 75 * time.Second
