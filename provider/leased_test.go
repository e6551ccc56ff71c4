package provider_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/greenticai/gtc-csi-provider/provider/config"
)

const (
	leasePath       = "database/creds/gtc.prod.acme.sales"
	certificatePath = "pki/issue/gtc.prod.acme.sales"
	valuePath       = "other/shared"

	credentials = "- {path: " + leasePath + ", key: username, file: user}\n- {path: " + leasePath + ", key: password, file: password}\n"
)

// rawPaths are granted on the double.
const rawPaths = `
rawPaths:
- {path: "database/creds/{role}", kind: lease}
- {path: "pki/issue/{role}", kind: certificate, args: [common_name]}
- {path: other/*}
`

// leasing is a Vault that makes credentials and certificates, each another.
func leasing(t *testing.T) (*doubleVault, *atomic.Int64) {
	t.Helper()
	v, made, logins := filled(t), &atomic.Int64{}, &atomic.Int64{}
	v.kind = "service"
	v.answer("auth/kubernetes/", func(w http.ResponseWriter, r *http.Request) { // a service token is another each time
		answers(200, map[string]any{"auth": map[string]any{
			"client_token": fmt.Sprint("token-canary-", logins.Add(1)), "token_type": v.kind, "lease_duration": 1200, "metadata": v.login,
		}})(w, r)
	})
	v.answer("database/creds/", func(w http.ResponseWriter, r *http.Request) {
		n := made.Add(1)
		answers(200, map[string]any{
			"lease_id": fmt.Sprintf("%s/lease-canary-%d", leasePath, n), "lease_duration": 3600, "renewable": true,
			"data": map[string]any{"username": fmt.Sprint("user-", n), "password": "password-canary"},
		})(w, r)
	})
	v.answer("pki/issue/", func(w http.ResponseWriter, r *http.Request) {
		n := made.Add(1)
		answers(200, map[string]any{"data": map[string]any{
			"serial_number": fmt.Sprintf("0a:%02x", n), "expiration": time.Now().Add(time.Hour).Unix(), "private_key": fmt.Sprint("key-canary-", n),
			"certificate": fmt.Sprint("certificate-", n), "ca_chain": []string{"one", "two"},
		}})(w, r)
	})
	v.answer("other/", answers(200, map[string]any{"data": map[string]any{"value": "shared-canary"}}))
	return v, made
}

func TestACredentialIsMadeOnceForAPod(t *testing.T) {
	v, made := leasing(t)
	w := wire(t, configuration(v)+rawPaths)
	r := good(credentials)
	first, err := w.mount(t, r)
	require.NoError(t, err)
	assert.Equal(t, "user-1", string(first.GetFiles()[0].GetContents()))
	assert.Equal(t, "password-canary", string(first.GetFiles()[1].GetContents()))
	for _, version := range first.GetObjectVersion() {
		assert.Regexp(t, "^[0-9a-f]{32}$", version.GetVersion())
	}
	assert.Equal(t, []string{"auth/kubernetes/login", leasePath}, v.asked(), "the token that the lease hangs on is not given back")

	same := func(what string, r *request, more ...string) {
		before := len(v.asked())
		again, err := w.mount(t, r)
		require.NoError(t, err)
		assert.True(t, proto.Equal(first, again), what)
		assert.Equal(t, append([]string{}, more...), append([]string{}, v.asked()[before:]...), what)
	}
	same("from memory", r)
	r.signature = "bmV3"
	same("with a new token of the pod", r, "auth/kubernetes/login", "auth/token/revoke-self")
	settings, err := config.Parse([]byte(configuration(v)+rawPaths+"\n# changed"), nil)
	require.NoError(t, err)
	w.server.Reload(settings, nil)
	same("after the configuration has changed", r, "auth/kubernetes/login", "auth/token/revoke-self")

	other, err := w.mount(t, replica(good(credentials), 1))
	require.NoError(t, err)
	assert.Equal(t, "user-2", string(other.GetFiles()[0].GetContents()), "each pod has its own")
	assert.EqualValues(t, 2, made.Load())
	assert.Equal(t, 2.0, w.metric(t, "greentic_provider_leases"))
	assert.Equal(t, 2.0, w.metric(t, "greentic_provider_lease_events_total", "what", "first"))
	assert.InDelta(t, 3600, w.metric(t, "greentic_provider_lease_next_end_seconds"), 60)
	assert.Contains(t, listing(t, w), `"path": "`+leasePath+`"`)
	for _, text := range []string{w.log.String(), listing(t, w)} {
		assert.NotContains(t, text, "canary")
		assert.NotContains(t, text, "user-1")
	}
}

func TestCertificatesValuesAndReferencesTogether(t *testing.T) {
	v, made := leasing(t)
	w := wire(t, configuration(v)+rawPaths+"refresh: {interval: always}\n")
	issue := "{path: " + certificatePath + ", args: {common_name: a}, "
	r := good(oneToken + "\n- {path: " + valuePath + ", key: value, file: value}\n- " + issue + "key: private_key, file: key}\n- " + issue +
		"key: certificate, file: crt}\n- " + issue + "key: ca_chain, file: chain}\n- " + issue + "file: all.json, mode: '0400'}\n")
	first, err := w.mount(t, r)
	require.NoError(t, err)
	var got []string
	for _, f := range first.GetFiles() {
		got = append(got, string(f.GetContents()))
	}
	assert.Equal(t, []string{"xoxb-canary-token", "shared-canary", "key-canary-1", "certificate-1", "one\ntwo"}, got[:5])
	assert.Contains(t, got[5], `"private_key":"key-canary-1"`)
	assert.True(t, strings.HasPrefix(first.GetObjectVersion()[2].GetVersion(), "0a:01-"))
	v.put(plain, nil)
	again, err := w.mount(t, r)
	require.NoError(t, err)
	assert.True(t, proto.Equal(first, again), "what is read again does not make another certificate")
	assert.EqualValues(t, 1, made.Load())
	assert.Equal(t, 1.0, w.metric(t, "greentic_provider_certificates"))
	assert.Equal(t, 2, strings.Count(strings.Join(v.asked(), " "), valuePath), "a value is read again")
}

// Each row is the credential's mount with one mutation.
func TestRawPathsThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		mutate  func(*doubleVault)
		objects string
		config  string
		code    codes.Code
		says    string
		asks    bool // the engine is asked
	}{
		"another scope's": {objects: "- {path: database/creds/gtc.prod.acme.support, file: a}", code: codes.PermissionDenied, says: "objects[0].path: "},
		"Vault's own":     {objects: "- {path: sys/raw, file: a}", code: codes.InvalidArgument, says: "is Vault's own"},
		"an argument":     {objects: "- {path: " + leasePath + ", args: {ttl: 1h}, file: a}", code: codes.PermissionDenied, says: `"ttl" may not be sent`},
		"a batch role": {
			mutate: func(v *doubleVault) { v.kind = "batch" }, code: codes.FailedPrecondition, says: "carry no lease, and nothing was issued; run `gtc-deployer vault apply`",
		},
		"no rotation": {config: "refresh: {noRepublish: true}\n", code: codes.FailedPrecondition, says: "the driver never asks again"},
		"something else is missing": {
			objects: credentials + "- ref: " + absent, code: codes.NotFound, says: "objects[2]: ",
		},
		"a field that is not there": {objects: credentials + "- {path: " + leasePath + ", key: x, file: x}", code: codes.NotFound, says: `"x"`, asks: true},
		"the engine refuses": {
			mutate: func(v *doubleVault) { v.answer("database/creds/", answers(400, `{"errors":["unknown role: canary"]}`)) },
			code:   codes.FailedPrecondition, says: "vault's engine does not give it (400)", asks: true,
		},
		"the policy refuses": {
			mutate: func(v *doubleVault) { v.answer("database/creds/", answers(403, `{"errors":["canary"]}`)) }, code: codes.PermissionDenied, says: "--provider-config", asks: true,
		},
		"another kind": {
			mutate: func(v *doubleVault) { v.answer("database/creds/", answers(200, `{"data":{"username":"canary"}}`)) },
			code:   codes.FailedPrecondition, says: "it is not leased; write kind: value there", asks: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := leasing(t)
			if row.mutate != nil {
				row.mutate(v)
			}
			w := wire(t, configuration(v)+rawPaths+row.config)
			objects := row.objects
			if objects == "" {
				objects = credentials
			}
			_, err := w.mount(t, good(objects))
			require.Equal(t, row.code, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "canary")
			asked := strings.Join(v.asked(), " ")
			assert.Equal(t, row.asks, strings.Contains(asked, "database/creds/"), asked)
			if row.asks {
				assert.True(t, strings.HasSuffix(asked, "auth/token/revoke-self"), "the token goes back, and with it what hangs on it: %s", asked)
			}
			assert.Zero(t, w.metric(t, "greentic_provider_leases"))
		})
	}
}

// listing is the debug page.
func listing(t *testing.T, w *wired) string {
	t.Helper()
	page := httptest.NewRecorder()
	w.server.Sessions().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/debug/sessions", nil))
	return page.Body.String()
}
