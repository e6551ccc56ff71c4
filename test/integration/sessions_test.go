package integration_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// asked counts what Vault was asked since mark for pods of the environment's namespaces, by the header that it audits.
func (w *world) asked(t *testing.T, mark lab.Mark, pods map[string]bool) lab.AuditCount {
	t.Helper()
	entries, err := w.AuditSince(mark)
	require.NoError(t, err)
	var own []lab.AuditEntry
	for _, entry := range entries {
		if header := entry.Headers["x-greentic-pod"]; len(header) == 1 && pods[header[0]] {
			own = append(own, entry)
		}
	}
	return lab.CountAudit(own)
}

// fleet are replicas of one badge and class, with the requests that the driver would send for them.
type fleet struct {
	pods     map[string]bool // as in Vault's audit log
	requests []*v1alpha1.MountRequest
}

func (w *world) fleet(t *testing.T, c class, replicas int) *fleet {
	t.Helper()
	f := &fleet{pods: map[string]bool{}, requests: make([]*v1alpha1.MountRequest, replicas)}
	for i := range replicas {
		volume := w.pod(t, c.scope, "class")
		pod := volume.Pod()
		f.pods[pod.Namespace+"/"+pod.Name+"/"+string(pod.UID)] = true
		f.requests[i] = w.own(t, volume, c)
	}
	return f
}

// mount sends all requests at once and returns the answers.
func (f *fleet) mount(t *testing.T, client v1alpha1.CSIDriverProviderClient) []*v1alpha1.MountResponse {
	t.Helper()
	answers := make([]*v1alpha1.MountResponse, len(f.requests))
	var all sync.WaitGroup
	for i, request := range f.requests {
		all.Go(func() {
			var err error
			answers[i], err = client.Mount(t.Context(), request)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	return answers
}

// TestReplicasAtVault counts in Vault's audit log what 110 replicas cost: cold at once, and at unchanged republishes.
func TestReplicasAtVault(t *testing.T) {
	t.Parallel()
	const replicas, republishes = 110, 3
	w, env := production(t)
	provider := w.startProvider(t, w.configOf().refreshing(refresh{Interval: "1h"}))
	category, objects := unique("replicas"), ""
	for _, name := range []string{"a", "b", "c"} {
		secret := ref(t, env.sales, category, name)
		w.put(t, secret, "the value of "+name)
		objects += fmt.Sprintf("- ref: %q\n", secret)
	}
	f := w.fleet(t, class{scope: env.sales, objects: objects}, replicas)
	client := provider.client(t)

	mark, err := w.AuditMark()
	require.NoError(t, err)
	first := f.mount(t, client)
	cold := w.asked(t, mark, f.pods)
	t.Logf("cold at once: %+v", cold)
	assert.Equal(t, replicas, cold.Logins, "each pod logs in for itself")
	assert.LessOrEqual(t, cold.Reads, 66, "330 unshared")

	mark, err = w.AuditMark()
	require.NoError(t, err)
	for range republishes {
		for i, again := range f.mount(t, client) {
			assert.True(t, proto.Equal(first[i], again), "the same bytes, modes, order and versions")
		}
	}
	assert.Equal(t, lab.AuditCount{}, w.asked(t, mark, f.pods), "unchanged republishes")
	assert.Contains(t, provider.scrape(t), fmt.Sprintf(`greentic_provider_answers_total{from="memory"} %d`, replicas*republishes))
}

// TestWriteThenStart writes a value, then starts a pod, again and again, while other pods of the same badge and class mount and refresh without a
// pause: never is a pod started with the value from before.
func TestWriteThenStart(t *testing.T) {
	t.Parallel()
	const starts = 200
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	secret := ref(t, env.sales, unique("start"), "token")
	w.write(t, secret, map[string]any{"value": "none yet"})
	c := class{scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	client := provider.client(t)
	load := w.fleet(t, c, 8)
	newcomers := w.fleet(t, c, starts)
	done := make(chan struct{})
	var loading sync.WaitGroup
	for _, request := range load.requests {
		loading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, err := client.Mount(t.Context(), request)
					assert.NoError(t, err)
				}
			}
		})
	}
	for i, request := range newcomers.requests {
		value := fmt.Sprint("generation ", i)
		w.write(t, secret, map[string]any{"value": value})
		answer, err := client.Mount(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, value, string(answer.GetFiles()[0].GetContents()))
	}
	close(done)
	loading.Wait()
	text := provider.scrape(t)
	assert.Regexp(t, `greentic_provider_answers_total\{from="shared"\} [1-9]`, text, "reads were shared meanwhile")
}

// TestRotationWithinTheBudget rotates a secret under a short budget: the driver's republishes bring the new value when it is over, not before, and each
// worker has it.
func TestRotationWithinTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 3 * time.Second
	w, env := production(t)
	provider := w.startProvider(t, w.configOf().refreshing(refresh{Interval: "1h", Minimum: "1s"}))
	secret := ref(t, env.sales, unique("budget"), "token")
	w.put(t, secret, "old")
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret), refresh: budget.String()}
	volume := w.mount(t, c)
	began := time.Now()
	w.put(t, secret, "new")
	eventually(t, func() bool {
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()))
		return contents(t, volume)[secret.Path()] == "new"
	}, "the new value")
	assert.Less(t, time.Since(began), time.Minute, "the budget, not the default, on a machine however loaded")
}

// TestANewTokenCostsALogin has the kubelet send another token of the same pod.
func TestANewTokenCostsALogin(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf().refreshing(refresh{Interval: "1h"}))
	secret := ref(t, env.sales, unique("renewed"), "token")
	w.put(t, secret, "a value")
	c := class{scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	volume := w.pod(t, env.sales, "class")
	client := provider.client(t)
	first, err := client.Mount(t.Context(), w.own(t, volume, c))
	require.NoError(t, err)
	mark, err := w.AuditMark()
	require.NoError(t, err)
	time.Sleep(time.Second) // a token of the same second is the same
	renewed := w.own(t, volume, c)
	for range 2 {
		again, err := client.Mount(t.Context(), renewed)
		require.NoError(t, err)
		assert.True(t, proto.Equal(first, again))
	}
	assert.Equal(t, lab.AuditCount{Logins: 1}, lab.CountAudit(w.askedFor(t, mark, volume)))
}

// TestVaultSealedDuringRefresh seals the real Vault under a mounted volume: the last answer stands in, the log and a metric say so once, and the new
// value comes after the end.
func TestVaultSealedDuringRefresh(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		provider := w.startProvider(t, w.configOf())
		secret := ref(t, env.sales, unique("sealed"), "token")
		w.put(t, secret, "old")
		c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
		volume := w.mount(t, c)
		request := w.own(t, volume, c)
		client := provider.client(t)
		_, err := client.Mount(t.Context(), request) // shows Vault this token
		require.NoError(t, err)
		w.put(t, secret, "new")

		require.NoError(t, w.SealVault(t.Context()))
		var once sync.Once
		unseal := func() { once.Do(func() { require.NoError(t, w.UnsealVault(t.Context())) }) }
		defer unseal()
		for range 6 {
			began := time.Now()
			answer, err := client.Mount(t.Context(), request)
			require.NoError(t, err)
			assert.Equal(t, "old", string(answer.GetFiles()[0].GetContents()))
			assert.Less(t, time.Since(began), 15*time.Second)
		}
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()))
		assert.Equal(t, map[string]string{secret.Path(): "old"}, contents(t, volume))
		text := provider.scrape(t)
		assert.Regexp(t, `greentic_provider_answers_total\{from="stale"\} [1-9]`, text)
		assert.Contains(t, text, "greentic_provider_sessions_troubled 1")
		assert.Equal(t, 1, strings.Count(provider.log(t), `"msg":"refresh failed"`))
		assert.Contains(t, provider.log(t), "it is sealed (503)")

		unseal()
		eventually(t, func() bool {
			w.age(t, volume)
			require.NoError(t, volume.Publish(t.Context()))
			return contents(t, volume)[secret.Path()] == "new"
		}, "the new value")
		assert.Equal(t, 1, strings.Count(provider.log(t), `"msg":"refresh works again"`))
	})
}

// TestOnDenied deletes a mounted secret: the file stays unless the operator wants it to go.
func TestOnDenied(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		for _, onDenied := range []string{"keep", "remove"} {
			t.Run(onDenied, func(t *testing.T) {
				_, env := production(t)
				provider := w.startProvider(t, w.configOf().refreshing(refresh{Interval: "always", OnDenied: onDenied}))
				category := unique("denied")
				gone, stays := ref(t, env.sales, category, "gone"), ref(t, env.sales, category, "stays")
				w.put(t, gone, "a value")
				w.put(t, stays, "another")
				volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q\n- ref: %q", gone, stays)})
				want := contents(t, volume)
				require.Len(t, want, 2)

				w.remove(t, gone)
				w.age(t, volume)
				require.NoError(t, volume.Publish(t.Context()))
				if onDenied == "remove" {
					delete(want, gone.Path())
				}
				assert.Equal(t, want, contents(t, volume))
				assert.Equal(t, 1, strings.Count(provider.log(t), `"msg":"refresh failed"`))
			})
		}
	})
}

// TestSessionsOnThePage looks at what an operator can see of a session, and that a pod that is gone is forgotten.
func TestSessionsOnThePage(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf().refreshing(refresh{PodSilence: "1s"}))
	secret := ref(t, env.sales, unique("page"), "token")
	w.put(t, secret, "canary of a session")
	volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)})
	code, body, err := get(t.Context(), provider.health+"/debug/sessions")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	var list []struct{ Pod, UID, Scope, Connection string }
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list, 1)
	pod := volume.Pod()
	assert.Equal(t, pod.Namespace+"/"+pod.Name, list[0].Pod)
	assert.Equal(t, string(pod.UID), list[0].UID)
	assert.Equal(t, env.sales.String(), list[0].Scope)
	assert.NotContains(t, body, "canary")
	eventually(t, func() bool { return strings.Contains(provider.scrape(t), "\ngreentic_provider_sessions 0\n") }, "the silent pod is forgotten")
	assert.Contains(t, provider.scrape(t), "\ngreentic_provider_session_bytes 0\n")
}

// TestEventsOnAPod has the real API server take the provider's events, with no more rights than the chart gives.
func TestEventsOnAPod(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	sender, pod := w.eventSender(t, env.sales)
	tell := func(reason string, warning bool) {
		sender.Tell(events.Event{
			Pod:     badge.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), ServiceAccount: pod.Spec.ServiceAccountName},
			Warning: warning, Reason: reason, Message: "a message",
		})
	}
	tell("GreenticRefreshFailed", true)
	tell("GreenticRefreshFailed", true)
	tell("GreenticRefreshRestored", false)
	var found *corev1.EventList
	eventually(t, func() bool {
		var err error
		found, err = w.Clientset().CoreV1().Events(pod.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(pod.UID)})
		require.NoError(t, err)
		return len(found.Items) == 2 && found.Items[0].Count+found.Items[1].Count == 3
	}, "two events, one of them counted up")
	for _, event := range found.Items {
		assert.Equal(t, pod.Name, event.InvolvedObject.Name)
		assert.Equal(t, "a message", event.Message)
		assert.Equal(t, "gtc-csi-provider", event.Source.Component)
		want := map[string]string{"GreenticRefreshFailed": "Warning", "GreenticRefreshRestored": "Normal"}
		assert.Equal(t, want[event.Reason], event.Type)
	}
}

// eventSender runs a Sender with the access that the chart gives the provider, and a pod to tell of.
func (w *world) eventSender(t *testing.T, scope secretref.Scope) (*events.Sender, *corev1.Pod) {
	t.Helper()
	client, err := kubeapi.New(w.KubernetesHost(), w.access(t, "events", "create, patch"))
	require.NoError(t, err)
	sender := events.New(client, slog.New(slog.NewTextHandler(t.Output(), nil)))
	done := make(chan error, 1)
	go func() { done <- sender.Run(t.Context()) }()
	t.Cleanup(func() {
		require.NoError(t, <-done) // the context has ended by then
		client.Close()
	})
	return sender, w.pod(t, scope, "class").Pod()
}

// access is a folder as a kubelet makes it, of a ServiceAccount that has these verbs on a resource of the whole cluster and nothing else.
func (w *world) access(t *testing.T, resource, verbs string) string {
	t.Helper()
	account := unique("provider")
	require.NoError(t, w.ApplyYAML(t.Context(), fmt.Appendf(nil, `
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: kube-system, name: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules:
- {apiGroups: [""], resources: [%[2]s], verbs: [%[3]s]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects:
- {kind: ServiceAccount, name: %[1]s, namespace: kube-system}
`, account, resource, verbs)))
	folder := t.TempDir()
	ca, err := w.KubernetesCA()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600))
	token, err := w.Clientset().CoreV1().ServiceAccounts("kube-system").CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "token"), []byte(token.Status.Token), 0o600))
	return folder
}
