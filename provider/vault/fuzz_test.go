package vault_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// FuzzAnswers sends any status with any body to every kind of request: none panics, every error is one of the package's, and none repeats
// what was sent.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		goodLogin, "", "{}", "null", `{"errors":[]}`, `{"errors":["no handler for route"]}`, `{"errors":["encryption key not found"]}`,
		`{"data":{"data":{"value":"v"},"metadata":{"version":1}}}`, `{"data":{"batch_results":[{"plaintext":"AAAA"}]}}`, `{"auth":{"client_token":"t"}}`,
	} {
		for _, status := range []int{200, 204, 302, 400, 403, 404, 500} {
			f.Add(status, body)
		}
	}
	var current atomic.Pointer[http.HandlerFunc]
	d := serveFuzz(f, &current)
	o := vault.Options{
		Addresses: d.addresses, AuthMount: "kubernetes", KVMount: "secret", KVPrefix: "greentic", TransitMount: "transit", TransitKey: "greentic",
		Retry: vault.Retry{Rounds: 1},
	}
	c, err := vault.New(o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	known := []error{
		vault.ErrUnavailable, vault.ErrLogin, vault.ErrRole, vault.ErrPolicy, vault.ErrNotFound, vault.ErrMount, vault.ErrRedirect, vault.ErrAnswer,
		vault.ErrCiphertext,
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		answer := says(status, body)
		current.Store(&answer)
		check := func(err error) {
			if err == nil {
				return
			}
			is := false
			for _, sentinel := range known {
				is = is || errors.Is(err, sentinel)
			}
			assert.True(t, is, "%v is none of the package's errors", err)
			if len(body) > 40 {
				assert.NotContains(t, err.Error(), strings.TrimSpace(body))
			}
		}
		answered, err := c.Login(t.Context(), pod, "role", secret.NewString(jwt))
		check(err)
		if err != nil {
			answered = vault.Login{}
		}
		_, err = c.Read(t.Context(), answered.Token, "prod/acme/sales/slack/token", 0)
		check(err)
		opened, err := c.Decrypt(t.Context(), answered.Token, []string{"vault:v1:AAAA"})
		check(err)
		for _, one := range opened {
			check(one.Err)
		}
	})
}

// fuzzDouble is a server whose answer changes from input to input.
type fuzzDouble struct{ addresses []*url.URL }

func serveFuzz(f *testing.F, current *atomic.Pointer[http.HandlerFunc]) fuzzDouble {
	f.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*current.Load())(w, r) }))
	f.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		f.Fatal(err)
	}
	return fuzzDouble{addresses: []*url.URL{base}}
}
