package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked is one request that reached a front.
type asked struct {
	method, path, token, pod string
	body                     string
}

// kind is what the request is for: login, read or decrypt.
func (a asked) kind() string {
	switch {
	case strings.HasSuffix(a.path, "/login"):
		return "login"
	case strings.Contains(a.path, "/decrypt/"):
		return "decrypt"
	default:
		return "read"
	}
}

// answer answers a request in place of Vault, or passes it on to next, which is Vault.
type answer func(w http.ResponseWriter, r *http.Request, next http.Handler)

// front stands before Vault: it keeps what it is asked and what tokens Vault gave out, and can answer for Vault.
type front struct {
	URL string

	mu     sync.Mutex
	asked  []asked
	tokens []string // Vault's
	keys   []string // data keys that transit has opened
	answer answer
}

// newFront is a front that passes everything on until it is told otherwise.
func (w *world) newFront(t *testing.T) *front {
	t.Helper()
	target, err := url.Parse(w.VaultAddr())
	require.NoError(t, err)
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = f.keepSecrets
	proxy.ErrorLog = nil
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := f.keep(r)
		if err != nil {
			http.Error(w, "the front could not read the request", http.StatusBadGateway)
			return
		}
		if answer == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		answer(w, r, proxy)
	}))
	t.Cleanup(func() { f.replace(nil); server.CloseClientConnections(); server.Close() })
	f.URL = server.URL
	return f
}

// replace puts a in Vault's place; nil passes everything on again.
func (f *front) replace(a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = a
}

// keep remembers a request and leaves its body to be read again.
func (f *front) keep(r *http.Request) (answer, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, asked{
		method: r.Method, path: r.URL.Path, token: r.Header.Get("X-Vault-Token"), pod: r.Header.Get("X-Greentic-Pod"), body: string(body),
	})
	return f.answer, nil
}

// keepSecrets remembers the token in a login's answer, and the data keys in a decryption's.
func (f *front) keepSecrets(r *http.Response) error {
	if (asked{path: r.Request.URL.Path}).kind() == "read" {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
		Data struct {
			Results []struct {
				Plaintext []byte `json:"plaintext"`
			} `json:"batch_results"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil // an answer of another kind holds neither
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer.Auth.Token != "" {
		f.tokens = append(f.tokens, answer.Auth.Token)
	}
	for _, result := range answer.Data.Results {
		f.keys = append(f.keys, string(result.Plaintext))
	}
	return nil
}

// requests are those that reached the front so far.
func (f *front) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// kinds are what the requests so far were for, sorted.
func (f *front) kinds() []string {
	var kinds []string
	for _, a := range f.requests() {
		kinds = append(kinds, a.kind())
	}
	slices.Sort(kinds)
	return kinds
}

// vaultTokens are the tokens that Vault gave out so far.
func (f *front) vaultTokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tokens)
}

// dataKeys are those that transit has opened so far.
func (f *front) dataKeys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys)
}

// on answers requests of one kind; all others pass.
func on(kind string, a http.HandlerFunc) answer {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if (asked{path: r.URL.Path}).kind() != kind {
			next.ServeHTTP(w, r)
			return
		}
		a(w, r)
	}
}
