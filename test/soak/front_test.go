package soak_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// front is the way to Vault: it can be slow, cut connections or say that nobody is there, and it hears the tokens that Vault gave out.
type front struct {
	URL string

	mu     sync.Mutex // guards what follows
	manner string
	tokens map[string]bool
}

func newFront(t *testing.T, vault string) *front {
	t.Helper()
	target, err := url.Parse(vault)
	require.NoError(t, err)
	f := &front{tokens: map[string]bool{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.pass(w, r, proxy) }))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	f.URL = server.URL
	return f
}

func (f *front) pass(w http.ResponseWriter, r *http.Request, vault http.Handler) {
	switch f.heard(r.Header.Get("X-Vault-Token")) {
	case "slow":
		if wait(r.Context(), 700*time.Millisecond) != nil {
			return
		}
	case "cut":
		panic(http.ErrAbortHandler) // which closes the connection without an answer
	case "unavailable":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	vault.ServeHTTP(w, r)
}

func (f *front) heard(token string) (manner string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if token != "" {
		f.tokens[token] = true
	}
	return f.manner
}

// become changes how requests are treated; empty passes them on.
func (f *front) become(manner string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.manner = manner
}
