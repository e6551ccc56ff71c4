package integration_test

import (
	"fmt"
	"net/http"
	"testing"

	vaultapi "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// as is a client of Vault with the token that the scope's pods get.
func (w *world) as(t *testing.T, scope secretref.Scope) *vaultapi.Client {
	t.Helper()
	pod := w.pod(t, scope, "class")
	login, err := w.login(t, kubernetesAuth, badge.Role(scope), w.token(t, pod))
	require.NoError(t, err)
	client, err := w.VaultClient()
	require.NoError(t, err)
	client.SetToken(login.Auth.ClientToken)
	return client
}

// TestWall3 talks to Vault directly with the token that a pod of sales gets: its policy reads that team's records and the tenant's, opens data keys,
// and nothing else.
func TestWall3(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	category := unique("wall3")
	own, foreign := ref(t, env.sales, category, "a"), ref(t, env.support, category, "a")
	for _, secret := range []secretref.Reference{own, own.WholeTenant(), foreign} {
		w.put(t, secret, "a value")
	}
	sales := w.as(t, env.sales)
	read := func(path string) error {
		_, err := sales.Logical().ReadWithContext(t.Context(), path)
		return err
	}
	write := func(path string) error {
		_, err := sales.Logical().WriteWithContext(t.Context(), path, map[string]any{"plaintext": "YQ==", "data": map[string]any{"value": "x"}})
		return err
	}
	list := func(path string) error {
		_, err := sales.Logical().ListWithContext(t.Context(), path)
		return err
	}
	require.NoError(t, read("secret/data/greentic/"+own.Key()))
	require.NoError(t, read("secret/data/greentic/"+own.WholeTenant().Key()))

	for _, row := range []struct {
		what string
		err  error
	}{
		{"another team's secret", read("secret/data/greentic/" + foreign.Key())},
		{"a team whose name begins with this one's", read("secret/data/greentic/" + env.id + "/acme/sales-eu/a/b")},
		{"another tenant's secret", read("secret/data/greentic/" + env.id + "/globex/sales/a/b")},
		{"another environment's secret", read("secret/data/greentic/dev/acme/sales/a/b")},
		{"another team's secret, by dots", read("secret/data/greentic/" + env.id + "/acme/sales/../support/" + category + "/a")},
		{"metadata", read("secret/metadata/greentic/" + own.Key())},
		{"a list", list("secret/metadata/greentic/" + env.sales.String())},
		{"a write", write("secret/data/greentic/" + own.Key())},
		{"an encryption", write("transit/encrypt/greentic")},
		{"another key", write("transit/decrypt/another")},
		{"the key's own data", read("transit/keys/greentic")},
		{"itself", read("auth/token/lookup-self")},
		{"another role", read("auth/kubernetes/role/" + badge.Role(env.support))},
		{"a policy", read("sys/policies/acl/" + badge.Role(env.sales))},
	} {
		t.Run(row.what, func(t *testing.T) { requireStatus(t, row.err, http.StatusForbidden) })
	}
}

// TestWall3TooWidePolicy lets the sales' policy read all of the tenant. The provider still refuses a reference of another team, and asks Vault nothing.
func TestWall3TooWidePolicy(t *testing.T) {
	t.Parallel()
	w, env := wired(t, unique("widepolicy"))
	foreign := ref(t, env.support, "wide", "token")
	w.put(t, foreign, "support's own")
	require.NoError(t, w.vault.Sys().PutPolicyWithContext(t.Context(), badge.Role(env.sales),
		`path "secret/data/greentic/`+env.id+`/*" { capabilities = ["read"] }
		 path "transit/decrypt/greentic" { capabilities = ["update"] }`))
	_, err := w.as(t, env.sales).Logical().ReadWithContext(t.Context(), "secret/data/greentic/"+foreign.Key())
	require.NoError(t, err, "the policy is not wide enough for this test")

	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", foreign)}
	volume := w.pod(t, env.sales, c.apply(t, w))
	requireRefused(t, volume.Publish(t.Context()), codes.PermissionDenied, fmt.Sprintf("objects[0].ref: %q is outside the scope", foreign))
	requireNothing(t, volume)
	assert.Empty(t, front.requests())
}

// TestWall3RefusesTheProvider takes the policy away: Vault's refusal of a read is told with the next step.
func TestWall3RefusesTheProvider(t *testing.T) {
	t.Parallel()
	w, env := wired(t, unique("nopolicy"))
	secrets := []secretref.Reference{ref(t, env.sales, "none", "a"), ref(t, env.sales, "none", "b").WholeTenant()}
	for _, secret := range secrets {
		w.put(t, secret, "a value")
	}
	provider := w.startProvider(t, w.configOf())
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q\n- {ref: %q, optional: true}\n", secrets[0], secrets[1])}
	volume := w.pod(t, env.sales, c.apply(t, w))
	require.NoError(t, w.vault.Sys().PutPolicyWithContext(t.Context(), badge.Role(env.sales), "# nothing"))
	requireRefused(t, volume.Publish(t.Context()), codes.PermissionDenied, "objects[0]: ", "objects[1]: ", "gtc-deployer vault apply")
	requireNothing(t, volume)

	require.NoError(t, env.apply(t.Context(), w), "the wiring mends it")
	require.NoError(t, volume.Publish(t.Context()))
	assert.Equal(t, map[string]string{secrets[0].Path(): "a value", secrets[1].Path(): "a value"}, contents(t, volume))
}
