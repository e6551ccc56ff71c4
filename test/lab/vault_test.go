package lab_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
	"time"

	vaultapi "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// vaultWith enables what a test needs under its own names: kv, transit with a key, an auth method, a policy and a role called name.
func vaultWith(t *testing.T, l *lab.Lab, name string) *vaultapi.Client {
	t.Helper()
	ctx := t.Context()
	client, err := l.VaultClient()
	require.NoError(t, err)
	require.NoError(t, client.Sys().MountWithContext(ctx, name+"-kv", &vaultapi.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	require.NoError(t, client.Sys().MountWithContext(ctx, name+"-transit", &vaultapi.MountInput{Type: "transit"}))
	require.NoError(t, l.EnableKubernetesAuth(ctx, name+"-kubernetes"))
	require.NoError(t, l.EnableJWTAuth(ctx, name+"-jwt"))
	require.NoError(t, client.Sys().PutPolicyWithContext(ctx, name, `
path "`+name+`-kv/data/mine" { capabilities = ["read"] }
path "`+name+`-transit/decrypt/key" { capabilities = ["update"] }`))
	write := func(path string, data map[string]any) {
		_, err := client.Logical().WriteWithContext(ctx, path, data)
		require.NoError(t, err)
	}
	write("auth/"+name+"-kubernetes/role/"+name, map[string]any{
		"bound_service_account_names": "worker", "bound_service_account_namespaces": name, "audience": "vault", "token_policies": name,
	})
	write("auth/"+name+"-jwt/role/"+name, map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "bound_subject": "system:serviceaccount:" + name + ":worker", "token_policies": name,
	})
	write(name+"-transit/keys/key", nil)
	require.Eventually(t, func() bool { // a version 2 mount is upgraded for a moment after it was made
		_, err := client.KVv2(name+"-kv").Put(ctx, "mine", map[string]any{"value": "v"})
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return client
}

// login logs in as a pod would and returns a client with what it got.
func login(ctx context.Context, l *lab.Lab, mount, role, token string) (*vaultapi.Client, error) {
	client, err := l.VaultClient()
	if err != nil {
		return nil, err
	}
	client.ClearToken()
	secret, err := client.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", map[string]any{"role": role, "jwt": token})
	if err != nil {
		return nil, err
	}
	client.SetToken(secret.Auth.ClientToken)
	return client, nil
}

func statusOf(err error) int {
	var response *vaultapi.ResponseError
	if errors.As(err, &response) {
		return response.StatusCode
	}
	return 0
}

func TestVaultsAuditLogCountsAPodsRequests(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	root := vaultWith(t, l, name)
	ciphertext, err := root.Logical().WriteWithContext(ctx, name+"-transit/encrypt/key", map[string]any{"plaintext": base64.StdEncoding.EncodeToString([]byte("v"))})
	require.NoError(t, err)
	_, err = root.Logical().WriteWithContext(ctx, "sys/config/auditing/request-headers/X-Greentic-Pod", map[string]any{"hmac": false})
	require.NoError(t, err)
	token, err := l.Token(ctx, volumeOf(t, l.Kubelet(), pod(name)).Pod(), "vault")
	require.NoError(t, err)

	mark, err := l.AuditMark()
	require.NoError(t, err)
	client, err := login(ctx, l, name+"-kubernetes", name, token)
	require.NoError(t, err)
	client.AddHeader("X-Greentic-Pod", name+"/pod/uid")
	_, err = client.KVv2(name+"-kv").Get(ctx, "mine")
	require.NoError(t, err)
	_, err = client.KVv2(name+"-kv").Get(ctx, "yours")
	require.Equal(t, http.StatusForbidden, statusOf(err))
	_, err = client.Logical().WriteWithContext(ctx, name+"-transit/decrypt/key", map[string]any{"ciphertext": ciphertext.Data["ciphertext"]})
	require.NoError(t, err)
	require.NoError(t, client.Auth().Token().RevokeSelfWithContext(ctx, ""))
	entries, err := l.AuditSince(mark)
	require.NoError(t, err)
	assert.Equal(t, lab.AuditCount{Logins: 1, Reads: 2, Decrypts: 1, Others: 1}, lab.CountAudit(entries))
	assert.Equal(t, 5, lab.CountAudit(entries).Total())
	require.Len(t, entries, 10)

	in := entries[1] // the login's response
	assert.Equal(t, "response", in.Type)
	assert.True(t, in.Login())
	assert.Equal(t, "kubernetes", in.MountType)
	assert.Equal(t, entries[0].RequestID, in.RequestID)
	assert.Equal(t, "root", in.Namespace)
	assert.Equal(t, []string{"default", name}, in.Policies)
	assert.Equal(t, "service", in.TokenType)
	assert.Equal(t, name, in.Metadata["role"])
	assert.Equal(t, "worker", in.Metadata["service_account_name"])
	assert.Equal(t, name, in.Metadata["service_account_namespace"])
	assert.Equal(t, name+"-kubernetes-"+name+"-worker", in.DisplayName)
	assert.WithinDuration(t, time.Now(), in.Time, time.Minute)
	assert.Equal(t, "127.0.0.1", in.RemoteAddress)
	assert.NotZero(t, in.RemotePort)
	assert.Empty(t, in.Error)

	read, refused := entries[2], entries[5]
	assert.Equal(t, "read", read.Operation)
	assert.Equal(t, name+"-kv/data/mine", read.Path)
	assert.Equal(t, []string{name + "/pod/uid"}, read.Headers["x-greentic-pod"])
	assert.Equal(t, name+"-kv/data/yours", refused.Path)
	assert.Contains(t, refused.Error, "permission denied")

	all, err := l.AuditSince(lab.Mark{})
	require.NoError(t, err)
	assert.Greater(t, len(all), len(entries))
}

func TestVaultKnowsThePodsOfThisCluster(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	vaultWith(t, l, name)
	pod := volumeOf(t, l.Kubelet(), pod(name)).Pod()
	now := time.Now()
	claims := func(audience string, issued time.Time) map[string]any {
		claims, err := l.Claims(ctx, pod, audience, issued, time.Hour)
		require.NoError(t, err)
		return claims
	}
	sign := func(claims map[string]any) string {
		token, err := l.SignToken(claims)
		require.NoError(t, err)
		return token
	}
	unsigned, err := lab.UnsignedToken(claims("vault", now))
	require.NoError(t, err)
	for _, method := range []string{"kubernetes", "jwt"} {
		t.Run(method, func(t *testing.T) {
			mount := name + "-" + method
			for what, token := range map[string]string{
				"signed":   sign(claims("vault", now)),
				"expired":  sign(claims("vault", now.Add(-2*time.Hour))),
				"foreign":  sign(claims("elsewhere", now)),
				"unsigned": unsigned,
			} {
				_, err := login(ctx, l, mount, name, token)
				if what == "signed" {
					assert.NoError(t, err, "what the lab signs is what the API server signs")
				} else {
					assert.Error(t, err, what)
				}
			}
		})
	}
}

func TestVaultHasTheOtherEnginesThatWorkersMeet(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	client, err := l.VaultClient()
	require.NoError(t, err)
	for _, engine := range []string{"pki", "database", "kv"} {
		require.NoError(t, client.Sys().MountWithContext(ctx, "other-"+engine, &vaultapi.MountInput{Type: engine}))
	}
	root, err := client.Logical().WriteWithContext(ctx, "other-pki/root/generate/internal", map[string]any{"common_name": "lab", "key_type": "ec"})
	require.NoError(t, err)
	assert.Contains(t, root.Data["certificate"], "BEGIN CERTIFICATE")
	_, err = client.Logical().WriteWithContext(ctx, "other-database/config/db", map[string]any{
		"plugin_name": "postgresql-database-plugin", "connection_url": "postgres://127.0.0.1:1/", "verify_connection": false,
	})
	require.NoError(t, err)
}

func TestVaultIsStoppedSealedAndPaused(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	client := vaultWith(t, l, name)
	read := func(ctx context.Context) error {
		_, err := client.KVv2(name+"-kv").Get(ctx, "mine")
		return err
	}
	require.NoError(t, read(ctx))

	t.Run("stopped", func(t *testing.T) {
		require.NoError(t, l.StopVault(ctx))
		require.Error(t, read(ctx))
		require.NoError(t, l.StartVault(ctx))
		require.NoError(t, read(ctx))
		require.NoError(t, l.RestartVault(ctx))
		mark, err := l.AuditMark()
		require.NoError(t, err)
		require.NoError(t, read(ctx))
		entries, err := l.AuditSince(mark)
		require.NoError(t, err)
		assert.Equal(t, lab.AuditCount{Reads: 1}, lab.CountAudit(entries))
	})
	t.Run("sealed", func(t *testing.T) {
		require.NoError(t, l.SealVault(ctx))
		require.Equal(t, http.StatusServiceUnavailable, statusOf(read(ctx)))
		require.NoError(t, l.UnsealVault(ctx))
		require.NoError(t, read(ctx))
	})
	t.Run("paused", func(t *testing.T) {
		require.NoError(t, l.PauseVault())
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, read(short), context.DeadlineExceeded)
		require.NoError(t, l.ResumeVault())
		require.NoError(t, read(ctx))
	})
	t.Run("stopped while paused", func(t *testing.T) {
		require.NoError(t, l.PauseVault())
		require.NoError(t, l.RestartVault(ctx))
		require.NoError(t, read(ctx))
	})
}

func TestTheEnvironmentsVaultIsNotTheLabs(t *testing.T) {
	l := lab.Shared(t)
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_AGENT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "wrong")
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	client, err := l.VaultClient()
	require.NoError(t, err)
	_, err = client.Auth().Token().LookupSelfWithContext(patient(t))
	require.NoError(t, err)
}
