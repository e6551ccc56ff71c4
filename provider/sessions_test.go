package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/config"
)

// replica makes r a request of the pod worker-i.
func replica(r *request, i int) *request {
	name, uid := fmt.Sprint("worker-", i), fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
	r.attributes[podName], r.attributes[podUID] = name, uid
	claim(r, "pod", "name", name)
	claim(r, "pod", "uid", uid)
	return r
}

const three = oneToken + "\n- {ref: '" + signing + "', key: password, file: password, mode: '0400'}\n- ref: " + key

func TestARepublishIsAnsweredFromMemory(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	r := good(three)
	first, err := w.mount(t, r)
	require.NoError(t, err)
	asked := len(v.asked())
	for range 10 {
		again, err := w.mount(t, r)
		require.NoError(t, err)
		assert.True(t, proto.Equal(first, again), "the same bytes, modes, order and versions")
	}
	assert.Len(t, v.asked(), asked)
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_answers_total", "from", "vault"))
	assert.Equal(t, 10.0, w.metric(t, "greentic_provider_answers_total", "from", "memory"))
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_sessions"))
	assert.Equal(t, float64(proto.Size(first)), w.metric(t, "greentic_provider_session_bytes"))
	assert.Equal(t, 1, strings.Count(w.log.String(), `"level":"INFO","msg":"mounted"`), "what is answered from memory is no news")
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, `"msg":"mounted"`) {
			assert.Contains(t, line, `"pod":"gtc-prod--acme--sales/worker-0","pod_uid":"0f0e0d0c-0b0a-0908-0706-050403020100","scope":"prod/acme/sales",`+
				`"connection":"default",`, "the same is told of each")
			assert.Contains(t, line, `"objects":3,`)
			assert.Contains(t, line, `"files":3,`)
		}
	}

	t.Run("but not another class, nor after the configuration has changed", func(t *testing.T) {
		_, err := w.mount(t, good(three+"\n- ref: "+plain))
		require.NoError(t, err)
		assert.Greater(t, len(v.asked()), asked)
		settings, err := config.Parse([]byte(configuration(v)+"\n# changed"), nil)
		require.NoError(t, err)
		w.server.Reload(settings, nil)
		assert.Zero(t, w.metric(t, "greentic_provider_sessions"))
		asked = len(v.asked())
		_, err = w.mount(t, r)
		require.NoError(t, err)
		assert.Len(t, v.asked(), asked+5)
	})
}

// TestMemoryIsBehindTheFirstWall holds the walls where there is something to get from memory.
func TestMemoryIsBehindTheFirstWall(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(*request)
		code   codes.Code
		says   string
	}{
		"the token has expired":    {func(r *request) { r.claims["exp"] = time.Now().Add(-time.Second).Unix() }, codes.PermissionDenied, "it expired at"},
		"another pod's token":      {func(r *request) { claim(r, "pod", "uid", "other") }, codes.PermissionDenied, "it is another pod's token"},
		"no token":                 {func(r *request) { r.noTokens = true }, codes.FailedPrecondition, "no token for the pod"},
		"another badge's scope":    {func(r *request) { r.attributes["scope"] = "prod/acme/marketing" }, codes.PermissionDenied, "is proven by"},
		"a token nobody has seen":  {func(r *request) { r.signature = "Zm9yZ2Vk" }, codes.Unauthenticated, "vault refused the login"},
		"too short an interval":    {func(r *request) { r.attributes["refreshInterval"] = "59s" }, codes.InvalidArgument, "is less than 1m0s"},
		"always, without consent":  {func(r *request) { r.attributes["refreshInterval"] = "always" }, codes.InvalidArgument, "refresh.allowAlways"},
		"an interval that is none": {func(r *request) { r.attributes["refreshInterval"] = "soon" }, codes.InvalidArgument, "is no refresh interval"},
	} {
		t.Run(name, func(t *testing.T) {
			v := filled(t)
			w := wire(t, configuration(v))
			_, err := w.mount(t, good(oneToken))
			require.NoError(t, err)
			v.answer("auth/", answers(403, `{"errors":["permission denied"]}`))
			r := good(oneToken)
			row.mutate(r)
			response, err := w.mount(t, r)
			assert.Equal(t, row.code, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, row.says)
			assert.Empty(t, response.GetFiles())
		})
	}
}

// TestTheVerySameCallIsRefusedWhenItsTokenHasExpired: nothing but the time has changed.
func TestTheVerySameCallIsRefusedWhenItsTokenHasExpired(t *testing.T) {
	t.Parallel()
	w := wire(t, configuration(filled(t)))
	r := good(oneToken)
	expires := time.Now().Add(2 * time.Second).Unix()
	r.claims["exp"] = expires
	request := r.wire()
	for range 2 {
		_, err := w.Mount(t.Context(), request)
		require.NoError(t, err)
	}
	time.Sleep(time.Until(time.Unix(expires, 0)))
	response, err := w.Mount(t.Context(), request)
	assert.Equal(t, codes.PermissionDenied, status.Code(err), "%v", err)
	assert.ErrorContains(t, err, "it expired at")
	assert.Empty(t, response.GetFiles())
}

func TestANewTokenIsShownToVaultFirst(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	r := good(oneToken)
	_, err := w.mount(t, r)
	require.NoError(t, err)
	before := len(v.asked())
	r.signature = "bmV3"
	_, err = w.mount(t, r)
	require.NoError(t, err)
	assert.Equal(t, []string{"auth/kubernetes/login"}, v.asked()[before:], "proven, and the values are young enough")
}

// TestReplicasOlderThanTheProvider has replicas ask one after the other when the provider has been started anew: by their tokens they were there
// before.
func TestReplicasOlderThanTheProvider(t *testing.T) {
	for name, row := range map[string]struct {
		issued time.Duration // before now
		asks   int           // of Vault, for the second
	}{
		"they share a read":      {30 * time.Minute, 1},
		"newer ones each do one": {0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			v := filled(t)
			w := wire(t, configuration(v))
			before := 0
			for i := range 2 {
				before = len(v.asked())
				r := replica(good(oneToken), i)
				r.claims["iat"] = time.Now().Add(-row.issued).Unix()
				_, err := w.mount(t, r)
				require.NoError(t, err)
			}
			assert.Len(t, v.asked()[before:], row.asks, "a login, the read and its decryption")
		})
	}
}

func TestReplicasColdAtOnce(t *testing.T) {
	const pods = 110
	v := filled(t)
	w := wire(t, configuration(v))
	requests := make([]*v1alpha1.MountRequest, pods)
	for i := range requests {
		requests[i] = replica(good(three), i).wire()
	}
	round := func() (logins, reads int) {
		before := len(v.asked())
		var all sync.WaitGroup
		for _, request := range requests {
			all.Go(func() {
				response, err := w.Mount(t.Context(), request)
				if assert.NoError(t, err) {
					assert.Len(t, response.GetFiles(), 3)
				}
			})
		}
		all.Wait()
		for _, request := range v.asked()[before:] {
			switch {
			case strings.HasPrefix(request, "auth/"):
				logins++
			case strings.HasPrefix(request, "secret/"):
				reads++
			}
		}
		return logins, reads
	}
	logins, reads := round()
	assert.Equal(t, pods, logins, "each pod for itself")
	assert.LessOrEqual(t, reads, 66, "330 unshared")
	t.Logf("%d reads", reads)
	logins, reads = round()
	assert.Zero(t, logins+reads, "an unchanged republish")
}

func TestAVaultThatDoesNotAnswerARefresh(t *testing.T) {
	t.Parallel()
	v := filled(t)
	w := wire(t, configuration(v)+"refresh: {interval: always}\n")
	r := good(oneToken)
	first, err := w.mount(t, r)
	require.NoError(t, err)
	v.answer("secret/", answers(503, `{"errors":["Vault is sealed"]}`))
	for range 5 {
		again, err := w.mount(t, r)
		require.NoError(t, err)
		assert.True(t, proto.Equal(first, again))
	}
	assert.Equal(t, 5.0, w.metric(t, "greentic_provider_answers_total", "from", "stale"))
	assert.Equal(t, 5.0, w.metric(t, "greentic_provider_refresh_failures_total"))
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_sessions_troubled"))
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_vaults_spared"))
	assert.Equal(t, 1, strings.Count(w.log.String(), `"level":"WARN","msg":"refresh failed"`), "told once")
	assert.Contains(t, w.log.String(), `"reason":"unavailable"`)
	event := <-w.events
	assert.Equal(t, "GreenticRefreshFailed", event.Reason)
	assert.Equal(t, "worker-0", event.Pod.Name)
	assert.True(t, event.Warning)
	assert.Contains(t, event.Message, "the volume's secrets stay as they were until they can be read again: ")
	assert.Contains(t, event.Message, "it is sealed (503)")
	assert.Empty(t, w.events, "told once")

	t.Run("but a first mount fails", func(t *testing.T) {
		_, err := w.mount(t, replica(good(oneToken), 7))
		assert.Equal(t, codes.FailedPrecondition, status.Code(err))
		assert.ErrorContains(t, err, "vault is not available")
	})
	t.Run("until it answers", func(t *testing.T) {
		v.mu.Lock()
		delete(v.override, "secret/")
		v.mu.Unlock()
		require.Eventually(t, func() bool {
			_, err := w.mount(t, r)
			return err == nil && strings.Contains(w.log.String(), `"msg":"refresh works again"`)
		}, 20*time.Second, 100*time.Millisecond)
		assert.Zero(t, w.metric(t, "greentic_provider_sessions_troubled"))
		assert.Zero(t, w.metric(t, "greentic_provider_vaults_spared"))
		event := <-w.events
		assert.Equal(t, "GreenticRefreshRestored", event.Reason)
		assert.False(t, event.Warning)
		assert.Empty(t, w.events, "a first mount's failure is the kubelet's to tell")
	})
}

func TestWhatVaultRefusesARefresh(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		code   codes.Code
	}{
		"403": {403, `{"errors":["permission denied"]}`, codes.PermissionDenied},
		"404": {404, `{"errors":[]}`, codes.NotFound},
	} {
		refuse := func(t *testing.T, onDenied string) (*wired, *request) {
			v := filled(t)
			w := wire(t, configuration(v)+"refresh: {interval: always, onDenied: "+onDenied+"}\n")
			r := good("- ref: " + plain + "\n- ref: " + token)
			_, err := w.mount(t, r)
			require.NoError(t, err)
			v.answer("secret/data/greentic/prod/acme/sales/configs/", answers(row.status, row.body))
			return w, r
		}
		t.Run(name+" keeps the files, and nothing is remembered", func(t *testing.T) {
			w, r := refuse(t, "keep")
			for range 3 {
				_, err := w.mount(t, r) // which the driver masks
				assert.Equal(t, row.code, status.Code(err))
				assert.Zero(t, w.metric(t, "greentic_provider_session_bytes"))
			}
			assert.Equal(t, 1, strings.Count(w.log.String(), `"msg":"refresh failed"`))
			assert.Contains(t, (<-w.events).Message, "secrets that Vault refuses stay in the volume as they were until the pod ends: objects[0]: ")
			assert.Empty(t, w.events)
		})
		t.Run(name+" removes the file where the operator wants that", func(t *testing.T) {
			w, r := refuse(t, "remove")
			for range 3 {
				response, err := w.mount(t, r)
				require.NoError(t, err)
				require.Len(t, response.GetFiles(), 1)
				assert.Equal(t, "sales/messaging-slack/slack_bot_token", response.GetFiles()[0].GetPath())
			}
			assert.Equal(t, 3.0, w.metric(t, "greentic_provider_answers_total", "from", "removed"))
			assert.Contains(t, (<-w.events).Message, "the files of secrets that Vault refuses were removed: objects[0]: ")
			assert.Equal(t, 1, strings.Count(w.log.String(), `"msg":"refresh failed"`))
		})
		t.Run(name+" of all", func(t *testing.T) {
			v := filled(t)
			w := wire(t, configuration(v)+"refresh: {interval: always, onDenied: remove}\n")
			_, err := w.mount(t, good("- ref: "+plain))
			require.NoError(t, err)
			v.answer("secret/", answers(row.status, row.body))
			response, err := w.mount(t, good("- ref: "+plain))
			require.NoError(t, err)
			require.Len(t, response.GetFiles(), 1)
			assert.Equal(t, ".greentic-empty", response.GetFiles()[0].GetPath())
		})
		t.Run(name+" of a first mount is an error all the same", func(t *testing.T) {
			w, r := refuse(t, "remove")
			_, err := w.mount(t, replica(r, 9))
			assert.Equal(t, row.code, status.Code(err))
		})
	}
}

func TestSessionsAreListed(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	_, err := w.mount(t, good(oneToken))
	require.NoError(t, err)
	page := httptest.NewRecorder()
	w.server.Sessions().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/debug/sessions", nil))
	var list []map[string]any
	require.NoError(t, json.Unmarshal(page.Body.Bytes(), &list))
	require.Len(t, list, 1)
	assert.Equal(t, "gtc-prod--acme--sales/worker-0", list[0]["pod"])
	assert.Equal(t, "prod/acme/sales", list[0]["scope"])
	assert.Equal(t, "default", list[0]["connection"])
	for _, canary := range []string{"xoxb-canary", vaultToken, good(oneToken).token()} {
		assert.NotContains(t, page.Body.String(), canary)
	}
}

// TestASessionIsSmall mounts three small secrets for 1,000 pods, each with an answer of its own.
func TestASessionIsSmall(t *testing.T) {
	const pods, most = 1000, 64 << 10
	v := filled(t)
	w := wire(t, configuration(v))
	used := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	mount := func(i int) {
		_, err := w.mount(t, replica(good(three+fmt.Sprintf("\n  file: of-%d", i)), i))
		require.NoError(t, err)
	}
	mount(pods)
	before := used()
	for i := range pods {
		mount(i)
	}
	v.mu.Lock()
	v.requests, v.headers = nil, nil // the double's memory is not the provider's
	v.mu.Unlock()
	each := (int64(used()) - int64(before)) / pods
	t.Logf("%d bytes a session", each)
	assert.Less(t, each, int64(most))
	assert.Equal(t, float64(pods+1), w.metric(t, "greentic_provider_sessions"))
}
