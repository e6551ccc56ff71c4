package vault_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests here are about answers that a real Vault does not give, or not when asked to. What a real one gives is tested on the lab.

const (
	jwt        = "header.claims.signature"
	vaultToken = "hvb.canary-token"
	// mark stands in bodies of hostile answers: no error may repeat it.
	mark = "upstream-canary"
)

var pod = vault.Pod{Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: "0f0e0d0c-0b0a-0908-0706-050403020100"}

// double answers what a test tells it to, and remembers what it was asked.
type double struct {
	*httptest.Server
	mu       sync.Mutex
	requests []asked
}

type asked struct {
	method, path, query string
	header              http.Header
	body                map[string]any
}

func serve(t *testing.T, answer http.HandlerFunc) *double {
	t.Helper()
	d := &double{}
	d.Server = httptest.NewServer(d.remember(answer))
	t.Cleanup(d.Close)
	return d
}

func (d *double) remember(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		seen := asked{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header.Clone()}
		_ = json.Unmarshal(text, &seen.body)
		d.mu.Lock()
		d.requests = append(d.requests, seen)
		d.mu.Unlock()
		answer(w, r)
	}
}

func (d *double) asked() []asked {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

func (d *double) base(t *testing.T) *url.URL {
	t.Helper()
	base, err := url.Parse(d.URL)
	require.NoError(t, err)
	return base
}

// says is a handler that gives the same answer always.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// inTurn is a handler that gives one answer after the other, and the last for ever.
func inTurn(answers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		mu.Unlock()
		answer(w, r)
	}
}

const goodLogin = `{"request_id":"b78ca38f-7270-c647-fe2c-50dd93c6edda","data":null,"auth":{"client_token":"` + vaultToken + `",
	"token_type":"batch","metadata":{"role":"gtc.prod.acme.sales","service_account_name":"gtc.acme.sales",
	"service_account_namespace":"gtc-prod--acme--sales","service_account_uid":"u"}}}`

// options are a connection to doubles that does not wait long.
func options(t *testing.T, doubles ...*double) vault.Options {
	t.Helper()
	o := vault.Options{
		AuthMount: "kubernetes", KVMount: "secret", KVPrefix: "greentic", TransitMount: "transit", TransitKey: "greentic",
		Retry: vault.Retry{Rounds: 3, Pause: time.Millisecond, Timeout: 10 * time.Second},
	}
	for _, d := range doubles {
		o.Addresses = append(o.Addresses, d.base(t))
	}
	return o
}

func connect(t *testing.T, o vault.Options) *vault.Client {
	t.Helper()
	c, err := vault.New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func login(t *testing.T, c *vault.Client) (vault.Login, error) {
	t.Helper()
	return c.Login(deadline(t, 10*time.Second), pod, "gtc.prod.acme.sales", secret.NewString(jwt))
}

// token logs in at a double of its own.
func token(t *testing.T) vault.Token {
	t.Helper()
	answer, err := login(t, connect(t, options(t, serve(t, says(200, goodLogin)))))
	require.NoError(t, err)
	return answer.Token
}

func deadline(t *testing.T, after time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	t.Cleanup(cancel)
	return ctx
}

// operations are the requests of a mount, for what holds for each of them.
func operations(t *testing.T, c *vault.Client) map[vault.Kind]func(context.Context) error {
	t.Helper()
	held := token(t)
	return map[vault.Kind]func(context.Context) error{
		vault.KindLogin: func(ctx context.Context) error {
			_, err := c.Login(ctx, pod, "gtc.prod.acme.sales", secret.NewString(jwt))
			return err
		},
		vault.KindRead: func(ctx context.Context) error {
			_, err := c.Read(ctx, held, "prod/acme/sales/slack/token", 0)
			return err
		},
		vault.KindDecrypt: func(ctx context.Context) error {
			_, err := c.Decrypt(ctx, held, []string{"vault:v1:AAAA"})
			return err
		},
	}
}

func quiet(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{mark, jwt, vaultToken} {
		assert.NotContains(t, err.Error(), secret, "an error repeats what it must not")
	}
	assert.NotContains(t, err.Error(), "\n")
}
