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
)

// login shows Vault a pod's token, as the provider does and as a thief would.
func (w *world) login(t *testing.T, mount, role, token string) (*vaultapi.Secret, error) {
	t.Helper()
	client, err := w.VaultClient()
	require.NoError(t, err)
	client.ClearToken()
	return client.Logical().WriteWithContext(t.Context(), "auth/"+mount+"/login", map[string]any{"role": role, "jwt": token})
}

// requireStatus asserts Vault's HTTP status.
func requireStatus(t *testing.T, err error, status int) {
	t.Helper()
	var refused *vaultapi.ResponseError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, status, refused.StatusCode, "%v", err)
}

// TestWall2 talks to Vault directly: a role takes its own badge and no other.
func TestWall2(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	own, foreign := w.pod(t, env.sales, "class"), w.pod(t, env.support, "class")
	role := badge.Role(env.sales)

	answer, err := w.login(t, kubernetesAuth, role, w.token(t, own))
	require.NoError(t, err)
	assert.Equal(t, "gtc.acme.sales", answer.Auth.Metadata["service_account_name"])
	assert.Equal(t, "gtc-prod--acme--sales", answer.Auth.Metadata["service_account_namespace"])
	assert.Equal(t, []string{role}, answer.Auth.Policies, "the default policy is not in it")
	assert.False(t, answer.Auth.Renewable)
	assert.LessOrEqual(t, answer.Auth.LeaseDuration, 20*60)

	_, err = w.login(t, kubernetesAuth, role, w.token(t, foreign))
	requireStatus(t, err, http.StatusForbidden)
	other, err := w.Token(t.Context(), own.Pod(), "another-vault")
	require.NoError(t, err)
	_, err = w.login(t, kubernetesAuth, role, other)
	requireStatus(t, err, http.StatusForbidden)
	require.NoError(t, w.Kubelet().DeletePod(t.Context(), foreign.Pod()))
}

// TestWall2TooWideRole gives the sales' role to support's badge too. Nothing of what the wall stood for is lost: the provider asks only for the role
// that the pod's own badge computes to, and believes a login only if it names the pod.
func TestWall2TooWideRole(t *testing.T) {
	t.Parallel()
	w, env := wired(t, unique("widerole"))
	secret := ref(t, env.sales, "wide", "token")
	w.put(t, secret, "sales' own")
	role := badge.Role(env.sales)
	sales, support := badgeOf(env.sales), badgeOf(env.support)
	w.widen(t, "auth/kubernetes/role/"+role, map[string]any{
		"bound_service_account_names":      []string{sales.ServiceAccount, support.ServiceAccount},
		"bound_service_account_namespaces": []string{sales.Namespace, support.Namespace},
	})

	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	own, foreign := w.pod(t, env.sales, "class"), w.pod(t, env.support, "class")
	foreignToken := w.token(t, foreign)
	_, err := w.login(t, kubernetesAuth, role, foreignToken)
	require.NoError(t, err, "the role is not wide enough for this test")

	t.Run("a foreign pod claims the scope", func(t *testing.T) {
		_, err := provider.client(t).Mount(t.Context(), w.own(t, foreign, c))
		requireRefused(t, err, codes.PermissionDenied, "scope: ")
		assert.Empty(t, front.requests())
	})
	t.Run("the login is of a foreign pod", func(t *testing.T) {
		// Somebody on the way to Vault shows it another pod's token, and Vault truthfully names that pod's ServiceAccount.
		front.replace(swapLogin(t, map[string]string{"role": role, "jwt": foreignToken}))
		defer front.replace(nil)
		_, err := provider.client(t).Mount(t.Context(), w.own(t, own, c))
		requireRefused(t, err, codes.PermissionDenied, "logging in: ", "another namespace or ServiceAccount", "nothing was read")
		assert.Equal(t, []string{"login"}, front.kinds())
	})
	t.Run("the pod itself", func(t *testing.T) {
		response, err := provider.client(t).Mount(t.Context(), w.own(t, own, c))
		require.NoError(t, err)
		assert.Equal(t, "sales' own", string(response.GetFiles()[0].GetContents()))
	})
}
