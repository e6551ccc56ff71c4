package operator_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What must never be in an error.
const (
	tokenCanary = "hvs.canary-of-the-operator"
	bodyCanary  = "canary-of-an-answer"
)

// serve is a Vault that answers as answer says, and a connection to it.
func serve(t *testing.T, answer http.HandlerFunc) *operator.Vault {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return connect(t, operator.Options{Address: server.URL, Token: secret.NewString(tokenCanary)})
}

func connect(t *testing.T, o operator.Options) *operator.Vault {
	t.Helper()
	v, err := operator.Connect(o)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestWhatIsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"data":{"a":1}}`)
	}))
	t.Cleanup(server.Close)
	v := connect(t, operator.Options{Address: server.URL + "/", Token: secret.NewString(tokenCanary), Namespace: "team-a"})
	answer, err := v.Write(t.Context(), "kv/data/x", map[string]string{"k": "v"})
	require.NoError(t, err)
	assert.True(t, answer.Found())
	assert.Equal(t, "POST /v1/kv/data/x", got.Method+" "+got.URL.Path)
	assert.Equal(t, tokenCanary, got.Header.Get("X-Vault-Token"))
	assert.Equal(t, "team-a", got.Header.Get("X-Vault-Namespace"))
	assert.Equal(t, "true", got.Header.Get("X-Vault-Request"))
	assert.JSONEq(t, `{"k":"v"}`, string(body))
	var data struct{ A int }
	require.NoError(t, answer.Decode(&data))
	assert.Equal(t, 1, data.A)
	assert.Equal(t, server.URL, v.Address())
}

func TestReadOfNothing(t *testing.T) {
	tests := []struct {
		name      string
		body      string
		unmounted bool
		data      string
	}{
		{"nothing there", `{"errors":[]}`, false, ""},
		{"nothing mounted", `{"errors":["no handler for route \"x\". route entry not found."]}`, true, ""},
		{"a deleted version", `{"data":{"data":null,"metadata":{"version":3}}}`, false, `{"data":null,"metadata":{"version":3}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := serve(t, says(http.StatusNotFound, tt.body)).Read(t.Context(), "x")
			require.NoError(t, err)
			assert.False(t, answer.Found())
			assert.Equal(t, tt.unmounted, answer.Unmounted)
			assert.Equal(t, tt.data, string(answer.Data))
		})
	}
}

// TestHostileAnswers asks both ways; whatever comes back is one of the package's errors and repeats nothing.
func TestHostileAnswers(t *testing.T) {
	long := `{"data":{"x":"` + strings.Repeat("y", operator.MaxAnswer) + `"}}`
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
		text   string
	}{
		{"403", says(403, `{"errors":["`+bodyCanary+`"]}`), operator.ErrDenied, "HTTP 403"},
		{"400", says(400, `{"errors":["`+bodyCanary+`"]}`), operator.ErrRefused, "audit log"},
		{"400 of a check-and-set", says(400, `{"errors":["check-and-set parameter did not match the current version"]}`), operator.ErrConflict, "run the command again"},
		{"405", says(405, bodyCanary), operator.ErrRefused, "HTTP 405"},
		{"429", says(429, bodyCanary), operator.ErrBusy, "HTTP 429"},
		{"500", says(500, `{"errors":["`+bodyCanary+`"]}`), operator.ErrAnswer, "vault's own log"},
		{"502 page", says(502, "<html>"+bodyCanary), operator.ErrAnswer, "HTTP 502"},
		{"sealed", says(503, `{"errors":["Vault is sealed"]}`), operator.ErrSealed, "unseal"},
		{"200 page", says(200, "<html>"+bodyCanary), operator.ErrAnswer, "not JSON"},
		{"404 page", says(404, "<html>"+bodyCanary), operator.ErrAnswer, "not JSON"},
		{"cut short", says(200, `{"data":{"x":"`+bodyCanary), operator.ErrAnswer, "not JSON"},
		{"nothing", says(200, ""), operator.ErrAnswer, "not JSON"},
		{"another shape", says(200, `{"errors":"`+bodyCanary+`"}`), operator.ErrAnswer, "not JSON"},
		{"too long", says(200, long), operator.ErrAnswer, "longer than"},
		{"too long when unpacked", zipped(long), operator.ErrAnswer, "longer than"},
		{"hung up", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}, operator.ErrUnreachable, "EOF"},
		{"hung up within", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, bodyCanary)
		}, operator.ErrUnreachable, "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := serve(t, tt.answer)
			_, readErr := v.Read(t.Context(), "some/path")
			_, writeErr := v.Write(t.Context(), "some/path", map[string]string{"v": tokenCanary})
			for _, err := range []error{readErr, writeErr} {
				require.ErrorIs(t, err, tt.want)
				assert.ErrorContains(t, err, tt.text)
				assert.ErrorContains(t, err, "some/path")
				assert.NotContains(t, err.Error(), bodyCanary)
				assert.NotContains(t, err.Error(), tokenCanary)
			}
		})
	}
}

func zipped(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		writer := gzip.NewWriter(w)
		_, _ = io.WriteString(writer, text)
		_ = writer.Close()
	}
}

func TestWriteToNothing(t *testing.T) {
	_, err := serve(t, says(404, `{"errors":["no handler for route \"x\". route entry not found."]}`)).Write(t.Context(), "x", nil)
	require.ErrorIs(t, err, operator.ErrRefused)
	assert.ErrorContains(t, err, "vault apply")
}

func TestRedirectKeepsTheToken(t *testing.T) {
	var reached atomic.Int32
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(stranger.Close)
	v := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, stranger.URL, http.StatusTemporaryRedirect)
	})
	_, err := v.Read(t.Context(), "x")
	require.ErrorIs(t, err, operator.ErrRefused)
	assert.ErrorContains(t, err, "another address")
	assert.Zero(t, reached.Load())
}

func TestDeadline(t *testing.T) {
	release := make(chan struct{})
	v := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := v.Read(ctx, "x")
	close(release)
	require.ErrorIs(t, err, operator.ErrUnreachable)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTLSNeedsTheAuthority(t *testing.T) {
	server := httptest.NewTLSServer(says(200, `{"data":{}}`))
	t.Cleanup(server.Close)
	stranger := connect(t, operator.Options{Address: server.URL, Token: secret.NewString("t")})
	_, err := stranger.Read(t.Context(), "x")
	require.ErrorIs(t, err, operator.ErrUnreachable)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)

	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	friend := connect(t, operator.Options{Address: server.URL, Token: secret.NewString("t"), CACert: ca})
	_, err = friend.Read(t.Context(), "x")
	require.NoError(t, err)
}

func TestConnectRefuses(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*operator.Options)
		want   string
	}{
		{"no address", func(o *operator.Options) { o.Address = "" }, "VAULT_ADDR"},
		{"no scheme", func(o *operator.Options) { o.Address = "vault:8200" }, `"vault:8200" is not http(s)`},
		{"another scheme", func(o *operator.Options) { o.Address = "unix:///run/vault" }, "is not http(s)"},
		{"path", func(o *operator.Options) { o.Address = "https://vault/ui" }, "is not http(s)"},
		{"query", func(o *operator.Options) { o.Address = "https://vault/?a" }, "is not http(s)"},
		{"credentials", func(o *operator.Options) { o.Address = "https://a:b@vault" }, "is not http(s)"},
		{"no token", func(o *operator.Options) { o.Token = secret.Value{} }, "VAULT_TOKEN"},
		{"token of several lines", func(o *operator.Options) { o.Token = secret.NewString(tokenCanary + "\nX: y") }, "right file"},
		{"namespace", func(o *operator.Options) { o.Namespace = "a\r\nb" }, `"a\r\nb"`},
		{"no certificate", func(o *operator.Options) { o.CACert = []byte("x") }, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := operator.Options{Address: "https://vault:8200", Token: secret.NewString(tokenCanary), Namespace: "a/b"}
			_, err := operator.Connect(o)
			require.NoError(t, err, "the baseline is valid")
			tt.mutate(&o)
			_, err = operator.Connect(o)
			require.ErrorIs(t, err, operator.ErrOptions)
			assert.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), tokenCanary)
		})
	}
}

func TestConnectTellsAllFaultsAtOnce(t *testing.T) {
	_, err := operator.Connect(operator.Options{Namespace: " ", CACert: []byte{}})
	assert.Len(t, strings.Split(err.Error(), "\n"), 4)
}

func TestInClear(t *testing.T) {
	for address, want := range map[string]bool{
		"https://vault:8200": false, "http://127.0.0.1:1": false, "http://[::1]:1": false, "http://localhost": false,
		"http://vault:8200": true, "http://10.0.0.1": true,
	} {
		v := connect(t, operator.Options{Address: address, Token: secret.NewString("t")})
		assert.Equal(t, want, v.InClear(), address)
	}
}

func TestDecode(t *testing.T) {
	var out struct{ N int }
	require.ErrorIs(t, operator.Answer{}.Decode(&out), operator.ErrAnswer)
	err := operator.Answer{Data: []byte(`{"n":"` + bodyCanary + `"}`)}.Decode(&out)
	require.ErrorIs(t, err, operator.ErrAnswer)
	assert.NotContains(t, err.Error(), bodyCanary)
}

func TestVaultPrintsNoToken(t *testing.T) {
	v := connect(t, operator.Options{Address: "https://vault:8200", Token: secret.NewString(tokenCanary)})
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", v, v, v), tokenCanary)
}
