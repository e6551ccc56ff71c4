package provider_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func recordKey(t *testing.T, fill byte) secret.Value {
	t.Helper()
	key := make([]byte, 32)
	for i := range key {
		key[i] = fill
	}
	return secret.New(key)
}

// TestAVaultThatMisbehaves is about the codes: none leaves the kubelet undecided, whatever Vault does and with whichever request.
func TestAVaultThatMisbehaves(t *testing.T) {
	stranger := newVault(t)
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		code   codes.Code
	}{
		"an empty object": {answers(200, "{}"), codes.Internal},
		"204":             {answers(204, ""), codes.Internal},
		"HTML":            {answers(200, "<html>canary</html>"), codes.Internal},
		"30 MB":           {answers(200, `{"data":"`+strings.Repeat("x", 30<<20)+`"}`), codes.Internal},
		"JSON cut short":  {answers(200, `{"data":{"canary`), codes.Internal},
		"405":             {answers(405, `{"errors":["canary"]}`), codes.Internal},
		"a hang":          {hang, codes.FailedPrecondition},
		"500":             {answers(500, "canary"), codes.FailedPrecondition},
		"429":             {answers(429, "canary"), codes.FailedPrecondition},
		"sealed":          {answers(503, `{"errors":["Vault is sealed"]}`), codes.FailedPrecondition},
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stranger.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, codes.FailedPrecondition},
	} {
		for _, prefix := range []string{"auth/", "secret/", "transit/"} {
			t.Run(name+" at "+prefix, func(t *testing.T) {
				t.Parallel()
				v := filled(t)
				v.answer(prefix, row.answer)
				deadline := 30 * time.Second
				if row.code == codes.FailedPrecondition {
					deadline = 5 * time.Second // tried again until then
				}
				w := wireWithin(t, configuration(v), deadline)
				began := time.Now()
				_, err := w.mount(t, good(oneToken))
				assert.Equal(t, row.code, status.Code(err), "%v", err)
				assert.NotContains(t, err.Error(), "canary")
				assert.Less(t, time.Since(began), 20*time.Second)
			})
		}
	}
	t.Cleanup(func() { assert.Empty(t, stranger.asked(), "a token went to a stranger") })
}

// hang reads the request first: only then does the server notice that the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestALoginThatIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		status     int
		body, says string
		code       codes.Code
	}{
		"refused":  {403, `{"errors":["permission denied"]}`, "or the pod has ended, or Vault cannot ask the Kubernetes API", codes.Unauthenticated},
		"no role":  {400, `{"errors":["invalid role name \"gtc.prod.acme.sales\""]}`, `role "gtc.prod.acme.sales": vault has no such role (400): run`, codes.Unauthenticated},
		"no mount": {404, `{"errors":["no handler for route"]}`, "nothing is mounted at auth/kubernetes", codes.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			v := filled(t)
			v.answer("auth/", answers(row.status, row.body))
			_, err := wire(t, configuration(v)).mount(t, good(oneToken))
			assert.Equal(t, row.code, status.Code(err))
			assert.ErrorContains(t, err, row.says)
			assert.Len(t, v.asked(), 1)
		})
	}
}

func TestWhatPassesDoesNotFailAMount(t *testing.T) {
	v := filled(t)
	var count atomic.Int32
	v.answer("secret/", func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= 2 {
			w.WriteHeader(500)
			return
		}
		v.mu.Lock()
		data := v.stored[strings.TrimPrefix(r.URL.Path, "/v1/secret/data/greentic/")]
		v.mu.Unlock()
		_, _ = io.WriteString(w, `{"data":`+data+`}`)
	})
	_, err := wire(t, configuration(v)).mount(t, good(oneToken))
	require.NoError(t, err)
}

func TestMoreThanTheDriverTakes(t *testing.T) {
	v := newVault(t)
	objects := ""
	for i := range 5 {
		ref := fmt.Sprintf("secret://prod/acme/sales/configs/big%d", i)
		v.put(ref, map[string]any{"value": strings.Repeat("x", 900<<10)})
		objects += "- ref: " + ref + "\n"
	}
	w := wire(t, configuration(v))
	_, err := w.mount(t, good(objects))
	assert.Equal(t, codes.OutOfRange, status.Code(err), "%v", err)
	assert.ErrorContains(t, err, "split the class")
	_, err = w.mount(t, good(strings.Join(strings.SplitAfter(objects, "\n")[:4], "")))
	require.NoError(t, err, "four of them fit")
}

// TestNothingLeaks searches everything that a mount writes, at every level and however it ends, for what it must not hold.
func TestNothingLeaks(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	v.putSealed("secret://prod/acme/sales/configs/poisoned", "canary-of-a-record", recordKey(t, 1), "vault:v1:poison")
	var jwts []string
	mount := func(r *request) {
		jwts = append(jwts, r.token())
		if _, err := w.mount(t, r); err != nil {
			_, _ = io.WriteString(w.log, err.Error())
		}
	}
	mount(good(oneToken + "\n- ref: " + key + "\n- ref: " + plain))
	mount(good(oneToken + "\n- ref: secret://prod/acme/sales/configs/poisoned"))
	mount(good("- ref: " + signing + "\n  key: nothing"))
	denied := good(oneToken)
	denied.attributes["scope"] = "prod/acme/marketing"
	mount(denied)
	broken := good("- ref: '" + denied.token() + "'")
	mount(broken)
	for _, prefix := range []string{"auth/", "secret/", "transit/"} {
		v.answer(prefix, func(w http.ResponseWriter, r *http.Request) {
			sent, _ := io.ReadAll(r.Body)
			answers(400, `{"errors":["`+r.Header.Get("X-Vault-Token")+string(sent)+`"]}`)(w, r)
		})
		mount(good(oneToken))
		delete(v.override, prefix)
	}
	families, err := w.registry.Gather()
	require.NoError(t, err)
	all := w.log.String() + fmt.Sprint(families)
	require.Contains(t, all, `"msg":"mounted"`)
	require.Contains(t, all, `"msg":"asked vault"`)
	require.Contains(t, all, `"msg":"mount failed"`)
	for _, canary := range append(jwts, vaultToken, "xoxb-canary-token", "sk-canary-key", "p@ss", "plain value", "canary-of-a-record") {
		assert.NotContains(t, all, canary)
		assert.NotContains(t, all, base64.StdEncoding.EncodeToString([]byte(canary)))
		assert.NotContains(t, all, hex.EncodeToString([]byte(canary)))
	}
	for _, words := range []string{"worker-0", "slack_bot_token", "gtc-prod--acme--sales"} {
		assert.NotContains(t, fmt.Sprint(families), words, "a metric's label names a pod or a path")
	}
}

func TestAMountKeepsTheConfigurationThatItBeganWith(t *testing.T) {
	before, after := filled(t), filled(t)
	w := wire(t, configuration(before))
	inside, leave := make(chan struct{}), make(chan struct{})
	before.answer("auth/", func(writer http.ResponseWriter, r *http.Request) {
		close(inside)
		<-leave
		answers(200, map[string]any{"auth": map[string]any{"client_token": vaultToken, "token_type": "batch", "metadata": before.login}})(writer, r)
	})
	done := make(chan error, 1)
	go func() {
		_, err := w.mount(t, good(oneToken))
		done <- err
	}()
	<-inside
	next, err := config.Parse([]byte(configuration(after)), nil)
	require.NoError(t, err)
	w.server.Reload(next, nil)
	close(leave)
	require.NoError(t, <-done)
	assert.Len(t, before.asked(), 3)
	assert.Empty(t, after.asked())

	_, err = w.mount(t, good(oneToken))
	require.NoError(t, err)
	assert.Len(t, after.asked(), 3)
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_config_reloads_total", "result", "ok"))

	t.Run("and a bad one changes nothing", func(t *testing.T) {
		w.server.Reload(config.Config{}, fmt.Errorf("reading configuration: %w", config.ErrInvalid))
		_, err = w.mount(t, good("- ref: "+key))
		require.NoError(t, err)
		assert.Len(t, after.asked(), 6)
		assert.Equal(t, 1.0, w.metric(t, "greentic_provider_config_reloads_total", "result", "refused"))
		assert.Zero(t, w.metric(t, "greentic_provider_config_current"))
		assert.Contains(t, w.log.String(), "configuration refused, the running one stays")
		w.server.Reload(config.Config{}, nil) // one that no parser would give
		assert.Equal(t, 2.0, w.metric(t, "greentic_provider_config_reloads_total", "result", "refused"))
	})
}

// metric is the sum of a metric's series that have the label.
func (w *wired) metric(t *testing.T, name string, label ...string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, series := range family.GetMetric() {
			matches := len(label) == 0
			for _, pair := range series.GetLabel() {
				matches = matches || pair.GetName() == label[0] && pair.GetValue() == label[1]
			}
			if matches {
				sum += series.GetCounter().GetValue() + series.GetGauge().GetValue()
			}
		}
	}
	return sum
}
