package integration_test

import (
	"compress/gzip"
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
	"google.golang.org/grpc/codes"
)

// always answers each request alike.
func always(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// times answers the first n requests with a, and passes on the rest.
func times(n int64, a answer) answer {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if count.Add(1) <= n {
			a(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// every answers requests of each kind.
func every(a http.HandlerFunc) answer {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) { a(w, r) }
}

// endless sends 30 MB of JSON.
func endless(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"data":"`)
	sendZeros(w)
	_, _ = io.WriteString(w, `"}`)
}

// bomb sends 30 MB that take 30 KB on the wire.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	_, _ = io.WriteString(packed, `{"data":"`)
	sendZeros(packed)
	_ = packed.Close()
}

func sendZeros(w io.Writer) {
	megabyte := []byte(strings.Repeat("0", 1<<20))
	for range 30 {
		if _, err := w.Write(megabyte); err != nil {
			return // the provider has heard enough
		}
	}
}

// truncated promises more than it sends.
func truncated(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "4096")
	_, _ = io.WriteString(w, `{"data":{"data":{"value":`)
}

// hang answers nothing for as long as it is asked.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// TestHostileVault puts somebody else in Vault's place. Each mount fails with the code that makes a kubelet remove the folder and try again,
// says what is wrong in words of the provider's own, writes nothing, and succeeds once Vault answers itself.
func TestHostileVault(t *testing.T) {
	json := http.Header{"Content-Type": {"application/json"}}
	html := http.Header{"Content-Type": {"text/html"}}
	const page = `<html><body>gateway-secret-words</body></html>`
	again := func(n int64, status int) answer {
		return times(n, every(always(status, json, `{"errors":["secret-words"]}`)))
	}
	rows := []struct {
		name   string
		answer answer
		code   codes.Code // OK is a mount that succeeds nevertheless
		says   string
	}{
		{"empty object for a login", on("login", always(200, json, `{}`)), codes.Internal, "logging in"},
		{"empty object for a read", on("read", always(200, json, `{}`)), codes.Internal, "reading"},
		{"empty object for a decryption", on("decrypt", always(200, json, `{}`)), codes.Internal, "decrypting"},
		{"no content for a login", on("login", always(204, nil, "")), codes.Internal, "logging in"},
		{"no content for a read", on("read", always(204, nil, "")), codes.Internal, "reading"},
		{"no content for a decryption", on("decrypt", always(204, nil, "")), codes.Internal, "decrypting"},
		{"null for a read", on("read", always(200, json, `{"data":null}`)), codes.Internal, "reading"},
		{"null for a login", on("login", always(200, json, `{"auth":null}`)), codes.Internal, "logging in"},
		{"HTML for a login", on("login", always(200, html, page)), codes.Internal, "logging in"},
		{"HTML for a read", on("read", always(200, html, page)), codes.Internal, "reading"},
		{"HTML 404 for a read", on("read", always(404, html, page)), codes.Internal, "reading"},
		{"400 for a read", on("read", always(400, json, `{"errors":["secret-words"]}`)), codes.Internal, "reading"},
		{"405 for a read", on("read", always(405, json, `{"errors":["secret-words"]}`)), codes.Internal, "reading"},
		{"30 MB for a login", on("login", endless), codes.Internal, "more than 4194304 bytes"},
		{"30 MB for a read", on("read", endless), codes.Internal, "more than 4194304 bytes"},
		{"30 MB in a gzip bomb for a read", on("read", bomb), codes.Internal, "more than 4194304 bytes"},
		{"truncated JSON", on("read", always(200, json, `{"data":{"data":{"value":`)), codes.Internal, "reading"},
		{"truncated body", on("read", truncated), codes.Internal, "cut short"},
		{"429 for ever", again(1000, 429), codes.FailedPrecondition, "429"},
		{"500 for ever", again(1000, 500), codes.FailedPrecondition, "answered 500"},
		{"412 for ever", again(1000, 412), codes.FailedPrecondition, "answered 412"},
		{"429 then good", again(2, 429), codes.OK, ""},
		{"500 then good", again(2, 500), codes.OK, ""},
		{"hung up on, then good", times(2, every(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), codes.OK, ""},
	}
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		secret := ref(t, env.sales, unique("hostile"), "token")
		w.put(t, secret, "a value")
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel() // with the other rows, not with other tests
				front := w.newFront(t)
				provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
				c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
				volume := w.pod(t, env.sales, c.apply(t, w))
				front.replace(row.answer)
				err := volume.Publish(t.Context())
				if row.code == codes.OK {
					require.NoError(t, err)
				} else {
					requireRefused(t, err, row.code, row.says)
					assert.NotContains(t, err.Error(), "secret-words")
					requireNothing(t, volume)
					front.replace(nil)
					require.NoError(t, volume.Mount(t.Context()), "the kubelet's next try")
				}
				assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
			})
		}
	})
}

// TestHangingVault is a Vault that takes a request and never answers: the provider gives up before the kubelet does, with a code that lets the
// kubelet try again.
func TestHangingVault(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	secret := ref(t, env.sales, unique("hang"), "token")
	w.put(t, secret, "a value")
	for _, kind := range []string{"login", "read"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			front := w.newFront(t)
			provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
			c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
			volume := w.pod(t, env.sales, c.apply(t, w))
			front.replace(on(kind, hang))
			begun := time.Now()
			requireRefused(t, volume.Publish(t.Context()), codes.FailedPrecondition, "the time for the mount ended before it answered")
			assert.Less(t, time.Since(begun), 60*time.Second)
			requireNothing(t, volume)
			front.replace(nil)
			require.NoError(t, volume.Mount(t.Context()))
			assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
		})
	}
}

// TestRedirects sends requests elsewhere: to a stranger, where neither the pod's token nor Vault's may arrive, and to another address of the same
// connection, as a standby does.
func TestRedirects(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	secret := ref(t, env.sales, unique("redirect"), "token")
	w.put(t, secret, "a value")
	var heard atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
	t.Cleanup(stranger.Close)
	to := func(base string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, base+r.URL.RequestURI(), status) }
	}
	for _, kind := range []string{"login", "read", "decrypt"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("stranger/%s/%d", kind, status), func(t *testing.T) {
				t.Parallel()
				front := w.newFront(t)
				provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
				c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
				volume := w.pod(t, env.sales, c.apply(t, w))
				front.replace(on(kind, to(stranger.URL, status)))
				requireRefused(t, volume.Publish(t.Context()), codes.FailedPrecondition, "redirect", "addresses")
				assert.Zero(t, heard.Load(), "the stranger was asked")
				requireNothing(t, volume)
				front.replace(nil)
				require.NoError(t, volume.Mount(t.Context()))
			})
		}
	}
	t.Run("another path", func(t *testing.T) {
		t.Parallel()
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
		volume := w.pod(t, env.sales, c.apply(t, w))
		front.replace(on("read", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, front.URL+"/v1/sys/health", http.StatusTemporaryRedirect)
		}))
		requireRefused(t, volume.Publish(t.Context()), codes.FailedPrecondition, "redirect")
		requireNothing(t, volume)
	})
	t.Run("a standby", func(t *testing.T) {
		t.Parallel()
		standby, active := w.newFront(t), w.newFront(t)
		standby.replace(every(to(active.URL, 307)))
		connection := w.toVault(standby.URL)
		connection.Addresses = append(connection.Addresses, active.URL)
		provider := w.startProvider(t, w.configOf(connection))
		volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)})
		assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
		assert.Equal(t, []string{"decrypt", "login", "read"}, active.kinds())
	})
}
