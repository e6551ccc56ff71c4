package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// byJWT is an environment whose auth mount is of the jwt method.
func byJWT(t *testing.T, id string) (*world, *environment) {
	t.Helper()
	w := shared(t)
	env, err := w.wire(t.Context(), id, jwtAuth)
	require.NoError(t, err)
	return w, env
}

// jwtTo is a connection that uses it.
func (w *world) jwtTo(address string) connection {
	c := w.toVault(address)
	c.AuthMethod, c.AuthMount = jwtAuth, jwtAuth
	return c
}

// swapLogin shows Vault another login than the provider's: what somebody on the way there could do.
func swapLogin(t *testing.T, login map[string]string) answer {
	t.Helper()
	text := jsonText(t, login)
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
		next.ServeHTTP(w, r)
	}
}

// TestJWT mounts with Vault's jwt method as the deployer wires it: its login names the pod's ServiceAccount by the role's claim_mappings.
func TestJWT(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := byJWT(t, unique("jwt"))
		provider := w.startProvider(t, w.configOf(w.jwtTo(w.VaultAddr())))
		secret, tenants := ref(t, env.sales, "a", "b"), ref(t, env.sales, "a", "c").WholeTenant()
		w.put(t, secret, "a value")
		w.put(t, tenants, "the tenant's")
		volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q\n- ref: %q\n", secret, tenants)})
		assert.Equal(t, map[string]string{secret.Path(): "a value", tenants.Path(): "the tenant's"}, contents(t, volume))
	})
}

// TestJWTWall2 is the jwt method's second wall: the role takes no other badge, and a too wide role's login is believed only if it names the pod.
func TestJWTWall2(t *testing.T) {
	t.Parallel()
	w, env := byJWT(t, unique("jwtwall"))
	secret := ref(t, env.sales, "a", "b")
	w.put(t, secret, "a value")
	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.jwtTo(front.URL)))
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	own, foreign := w.pod(t, env.sales, "class"), w.pod(t, env.support, "class")
	role, foreignToken := badge.Role(env.sales), w.token(t, foreign)

	answer, err := w.login(t, jwtAuth, role, w.token(t, own))
	require.NoError(t, err)
	assert.Equal(t, "gtc.acme.sales", answer.Auth.Metadata["service_account_name"])
	assert.Equal(t, badgeOf(env.sales).Namespace, answer.Auth.Metadata["service_account_namespace"])
	assert.Equal(t, []string{role}, answer.Auth.Policies)
	_, err = w.login(t, jwtAuth, role, foreignToken)
	requireStatus(t, err, http.StatusBadRequest)
	other, err := w.Token(t.Context(), own.Pod(), "another-vault")
	require.NoError(t, err)
	_, err = w.login(t, jwtAuth, role, other)
	requireStatus(t, err, http.StatusBadRequest)

	t.Run("the login is of a foreign pod", func(t *testing.T) {
		front.replace(swapLogin(t, map[string]string{"role": role, "jwt": foreignToken}))
		_, err := provider.client(t).Mount(t.Context(), w.own(t, own, c))
		requireRefused(t, err, codes.Unauthenticated, "logging in")
		assert.NotContains(t, front.kinds(), "read")
	})
	t.Run("and the role is too wide", func(t *testing.T) {
		w.widen(t, "auth/jwt/role/"+role, map[string]any{"bound_subject": "", "bound_claims": map[string]any{}})
		_, err := w.login(t, jwtAuth, role, foreignToken)
		require.NoError(t, err, "the role is not wide enough for this test")
		_, err = provider.client(t).Mount(t.Context(), w.own(t, own, c))
		requireRefused(t, err, codes.PermissionDenied, "another namespace or ServiceAccount", "nothing was read")
		assert.NotContains(t, front.kinds(), "read")
	})
	t.Run("the pod itself", func(t *testing.T) {
		front.replace(nil)
		_, err := provider.client(t).Mount(t.Context(), w.own(t, own, c))
		require.NoError(t, err)
	})
}

// TestJWTWithoutClaimMappings is a role that somebody wrote by hand: its login names only the role, which then has to be the one that was asked for.
func TestJWTWithoutClaimMappings(t *testing.T) {
	t.Parallel()
	w, env := byJWT(t, unique("jwtplain"))
	secret := ref(t, env.sales, "a", "b")
	w.put(t, secret, "a value")
	for _, scope := range []string{badge.Role(env.sales), badge.Role(env.support)} {
		w.widen(t, "auth/jwt/role/"+scope, map[string]any{"claim_mappings": map[string]any{}})
	}
	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.jwtTo(front.URL)))
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	own, foreign := w.pod(t, env.sales, "class"), w.pod(t, env.support, "class")
	answer, err := w.login(t, jwtAuth, badge.Role(env.sales), w.token(t, own))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"role": badge.Role(env.sales)}, answer.Auth.Metadata)

	response, err := provider.client(t).Mount(t.Context(), w.own(t, own, c))
	require.NoError(t, err)
	assert.Equal(t, "a value", string(response.GetFiles()[0].GetContents()))

	front.replace(swapLogin(t, map[string]string{"role": badge.Role(env.support), "jwt": w.token(t, foreign)}))
	before := len(front.requests())
	_, err = provider.client(t).Mount(t.Context(), w.own(t, own, c))
	requireRefused(t, err, codes.PermissionDenied, "it names neither the ServiceAccount nor the role", "nothing was read")
	assert.Len(t, front.requests(), before+1)
}

// widen changes fields of something in Vault.
func (w *world) widen(t *testing.T, path string, fields map[string]any) {
	t.Helper()
	stored, err := w.vault.Logical().ReadWithContext(t.Context(), path)
	require.NoError(t, err)
	for name, value := range fields {
		stored.Data[name] = value
	}
	_, err = w.vault.Logical().WriteWithContext(t.Context(), path, stored.Data)
	require.NoError(t, err)
}
