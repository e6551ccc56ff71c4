package integration_test

import (
	"net/http"
	"testing"

	vaultapi "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestWhatWiredRolesGive logs in with real pods' tokens by both methods to both kinds of role, and tries everything that the policy is about.
func TestWhatWiredRolesGive(t *testing.T) {
	for _, method := range []string{"kubernetes", "jwt"} {
		t.Run(method, func(t *testing.T) {
			o := operator(t)
			args := append(o.cluster, "--leased", o.scope(t, "support").String())
			if method == "jwt" {
				args = o.jwt(t, "--leased", o.scope(t, "support").String())
			}
			o.apply(t, args...)
			for _, path := range []string{"acme/sales", "acme/support", "acme/_", "acme/sales-west", "globex/sales"} {
				o.write(t, o.kv+"/data/greentic/"+o.id+"/"+path+"/c/n", map[string]any{"data": map[string]any{"value": path}})
			}
			answer, err := o.vault.Logical().WriteWithContext(t.Context(), o.transit+"/encrypt/greentic", map[string]any{"plaintext": "AAAA"})
			require.NoError(t, err)
			wrapped := answer.Data["ciphertext"]
			for _, team := range []string{"sales", "support"} {
				t.Run(team, func(t *testing.T) {
					leased := team == "support"
					pod := o.badgedPod(t, team)
					login, err := o.login(t, o.auth, o.role(t, team), o.podToken(t, pod))
					require.NoError(t, err)
					assert.Equal(t, []string{o.role(t, team)}, login.Auth.Policies, "nothing besides, not even default")
					assert.Equal(t, 1200, login.Auth.LeaseDuration)
					assert.Equal(t, leased, login.Auth.Renewable)
					assert.Equal(t, pod.Namespace, login.Auth.Metadata["service_account_namespace"])
					assert.Equal(t, pod.Spec.ServiceAccountName, login.Auth.Metadata["service_account_name"])
					client, err := o.VaultClient()
					require.NoError(t, err)
					client.SetToken(login.Auth.ClientToken)
					o.requireOnly(t, client, team, wrapped, leased)
				})
			}
			t.Run("another pod's badge", func(t *testing.T) {
				_, err := o.login(t, o.auth, o.role(t, "sales"), o.podToken(t, o.badgedPod(t, "support")))
				require.Error(t, err)
			})
			t.Run("another audience", func(t *testing.T) {
				token, err := o.Token(t.Context(), o.badgedPod(t, "sales"), "another-vault")
				require.NoError(t, err)
				_, err = o.login(t, o.auth, o.role(t, "sales"), token)
				require.Error(t, err)
			})
		})
	}
}

// requireOnly asserts what the token of team's worker may do, and that it may do nothing else of note.
func (o *operated) requireOnly(t *testing.T, client *vaultapi.Client, team string, wrapped any, leased bool) {
	t.Helper()
	below := o.kv + "/data/greentic/" + o.id + "/"
	logical := client.Logical()
	for _, path := range []string{"acme/" + team, "acme/_"} {
		answer, err := logical.ReadWithContext(t.Context(), below+path+"/c/n")
		require.NoError(t, err, path)
		assert.Equal(t, map[string]any{"value": path}, answer.Data["data"])
	}
	_, err := logical.WriteWithContext(t.Context(), o.transit+"/decrypt/greentic", map[string]any{"ciphertext": wrapped})
	require.NoError(t, err)

	other := map[string]string{"sales": "support", "support": "sales"}[team]
	for _, path := range []string{
		below + "acme/" + other + "/c/n", below + "acme/sales-west/c/n", below + "globex/sales/c/n", o.kv + "/metadata/greentic/" + o.id + "/acme/" + team + "/c/n",
		o.transit + "/keys/greentic", "auth/" + o.auth + "/role/" + o.role(t, team), "auth/token/lookup-self", "sys/mounts",
	} {
		_, err := logical.ReadWithContext(t.Context(), path)
		requireStatus(t, err, http.StatusForbidden)
	}
	_, err = logical.ListWithContext(t.Context(), o.kv+"/metadata/greentic/"+o.id+"/acme/"+team)
	requireStatus(t, err, http.StatusForbidden)
	for _, path := range []string{below + "acme/" + team + "/c/n", o.transit + "/encrypt/greentic", o.transit + "/rewrap/greentic", "auth/token/create"} {
		_, err := logical.WriteWithContext(t.Context(), path, map[string]any{"data": map[string]any{"value": "x"}, "plaintext": "AAAA", "ciphertext": wrapped})
		requireStatus(t, err, http.StatusForbidden)
	}
	_, err = logical.DeleteWithContext(t.Context(), below+"acme/"+team+"/c/n")
	requireStatus(t, err, http.StatusForbidden)

	renewErr := func() error {
		_, err := logical.WriteWithContext(t.Context(), "auth/token/renew-self", nil)
		return err
	}()
	_, revokeErr := logical.WriteWithContext(t.Context(), "auth/token/revoke-self", nil)
	if leased {
		require.NoError(t, renewErr)
		require.NoError(t, revokeErr)
		_, err := logical.ReadWithContext(t.Context(), below+"acme/"+team+"/c/n")
		requireStatus(t, err, http.StatusForbidden)
		return
	}
	require.Error(t, renewErr)
	require.Error(t, revokeErr)
}

// badgedPod is a pod in the API server with the badge of a team of this environment. Namespace and ServiceAccount are made as they are needed.
func (o *operated) badgedPod(t *testing.T, team string) *corev1.Pod {
	t.Helper()
	b := badgeOf(o.scope(t, team))
	for _, object := range []string{
		"{apiVersion: v1, kind: Namespace, metadata: {name: " + b.Namespace + "}}",
		"{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: " + b.Namespace + ", name: " + b.ServiceAccount + "}}",
	} {
		require.NoError(t, o.ApplyYAML(t.Context(), []byte(object)))
	}
	pod := lab.Pod{Namespace: b.Namespace, Name: unique("pod"), ServiceAccount: b.ServiceAccount, Class: "none"}.Object()
	made, err := o.Clientset().CoreV1().Pods(b.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

// podToken is the pod's token for Vault.
func (o *operated) podToken(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	token, err := o.Token(t.Context(), pod, "vault")
	require.NoError(t, err)
	return token
}
