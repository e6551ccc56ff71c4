package vault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestWhatAMountAsks(t *testing.T) {
	d := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/auth/kubernetes/login":
			says(200, goodLogin)(w, r)
		case "/v1/secret/data/greentic/prod/acme/_/openai/api_key":
			says(200, `{"data":{"data":{"value":"v"},"metadata":{"version":3}}}`)(w, r)
		case "/v1/transit/decrypt/greentic":
			says(200, `{"data":{"batch_results":[{"plaintext":"b25l"},{"plaintext":"dHdv"}]}}`)(w, r)
		}
	})
	o := options(t, d)
	o.Namespace = "team-a"
	c := connect(t, o)
	ctx := deadline(t, 10*time.Second)

	answer, err := login(t, c)
	require.NoError(t, err)
	assert.Equal(t, "gtc.prod.acme.sales", answer.Role)
	assert.Equal(t, "gtc-prod--acme--sales", answer.Namespace)
	assert.Equal(t, "gtc.acme.sales", answer.ServiceAccount)
	assert.Equal(t, "b78ca38f-7270-c647-fe2c-50dd93c6edda", answer.RequestID)

	data, err := c.Read(ctx, answer.Token, "prod/acme/_/openai/api_key", 3)
	require.NoError(t, err)
	assert.JSONEq(t, `{"data":{"value":"v"},"metadata":{"version":3}}`, data.RevealString())

	opened, err := c.Decrypt(ctx, answer.Token, []string{"vault:v1:1", "vault:v1:2"})
	require.NoError(t, err)
	require.Len(t, opened, 2)
	assert.Equal(t, "one", opened[0].Plaintext.RevealString())
	assert.Equal(t, "two", opened[1].Plaintext.RevealString())

	seen := d.asked()
	require.Len(t, seen, 3)
	for _, request := range seen {
		assert.Equal(t, "gtc-prod--acme--sales/worker-0/0f0e0d0c-0b0a-0908-0706-050403020100", request.header.Get(vault.HeaderPod))
		assert.Equal(t, "team-a", request.header.Get("X-Vault-Namespace"))
		assert.Equal(t, "true", request.header.Get("X-Vault-Request"))
	}
	assert.Equal(t, map[string]any{"role": "gtc.prod.acme.sales", "jwt": jwt}, seen[0].body)
	assert.Empty(t, seen[0].header.Get("X-Vault-Token"), "a login carries no token")
	assert.Equal(t, vaultToken, seen[1].header.Get("X-Vault-Token"))
	assert.Equal(t, "version=3", seen[1].query)
	assert.Equal(t, http.MethodGet, seen[1].method)
	assert.Equal(t, vaultToken, seen[2].header.Get("X-Vault-Token"))
	assert.Equal(t, map[string]any{"batch_input": []any{
		map[string]any{"ciphertext": "vault:v1:1"}, map[string]any{"ciphertext": "vault:v1:2"},
	}}, seen[2].body)
}

func TestTheEnvironmentTakesNoPart(t *testing.T) {
	other := serve(t, says(500, ""))
	t.Setenv("VAULT_TOKEN", "ambient")
	t.Setenv("VAULT_ADDR", other.URL)
	t.Setenv("VAULT_AGENT_ADDR", other.URL)
	t.Setenv("VAULT_NAMESPACE", "ambient")
	t.Setenv("VAULT_HEADERS", `{"X-Ambient":"1"}`)
	t.Setenv("VAULT_RATE_LIMIT", "0.001:1")
	t.Setenv("VAULT_WRAP_TTL", "5m")
	t.Setenv("VAULT_PROXY_ADDR", other.URL)
	t.Setenv("HTTP_PROXY", other.URL)
	d := serve(t, says(200, goodLogin))
	c := connect(t, options(t, d))
	for range 3 {
		_, err := login(t, c)
		require.NoError(t, err)
	}
	assert.Empty(t, other.asked())
	for _, request := range d.asked() {
		assert.Empty(t, request.header.Get("X-Vault-Token"))
		assert.Empty(t, request.header.Get("X-Vault-Namespace"))
		assert.Empty(t, request.header.Get("X-Ambient"))
		assert.Empty(t, request.header.Get("X-Vault-Wrap-TTL"))
	}
}

func TestRevokeGivesBackOnlyWhatVaultKeeps(t *testing.T) {
	for tokenType, want := range map[string]int{"batch": 0, "service": 1, "": 1} {
		t.Run(tokenType, func(t *testing.T) {
			d := serve(t, inTurn(
				says(200, `{"auth":{"client_token":"`+vaultToken+`","token_type":"`+tokenType+`"}}`),
				says(204, ""),
			))
			c := connect(t, options(t, d))
			answer, err := login(t, c)
			require.NoError(t, err)
			require.NoError(t, c.Revoke(deadline(t, time.Second), answer.Token))
			seen := d.asked()[1:]
			require.Len(t, seen, want)
			if want == 1 {
				assert.Equal(t, "/v1/auth/token/revoke-self", seen[0].path)
				assert.Equal(t, vaultToken, seen[0].header.Get("X-Vault-Token"))
			}
		})
	}
	t.Run("a policy without revoke-self", func(t *testing.T) {
		d := serve(t, inTurn(says(200, `{"auth":{"client_token":"t","token_type":"service"}}`), says(403, `{"errors":["permission denied"]}`)))
		c := connect(t, options(t, d))
		answer, err := login(t, c)
		require.NoError(t, err)
		require.ErrorIs(t, c.Revoke(deadline(t, time.Second), answer.Token), vault.ErrPolicy)
	})
}

func TestAKeyThatIsNoPathIsNotAsked(t *testing.T) {
	d := serve(t, says(200, "{}"))
	c := connect(t, options(t, d))
	for _, key := range []string{"", "a//b", "a/../b", "a/./b", "a/b?x", "a/b#x", "%2e%2e/b", `a\b`, "a b", "a\x00b", "ä"} {
		_, err := c.Read(deadline(t, time.Second), token(t), key, 0)
		require.ErrorIs(t, err, vault.ErrOptions, "%q", key)
	}
	assert.Empty(t, d.asked())
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	_, err := vault.New(vault.Options{KVPrefix: "../x"})
	require.ErrorIs(t, err, vault.ErrOptions)
	for _, field := range []string{"addresses:", "authMount:", "kvMount:", "kvPrefix:", "transitMount:", "transitKey:"} {
		assert.ErrorContains(t, err, field)
	}
}

func TestAtMostSoManyRequestsAreOnTheirWay(t *testing.T) {
	entered, leave := make(chan struct{}, 2*vault.MaxInFlight), make(chan struct{})
	d := serve(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		says(200, goodLogin)(w, r)
	})
	o := options(t, d)
	o.Retry.Timeout = 10 * time.Second
	c := connect(t, o)
	const more = 6
	done := make(chan error, vault.MaxInFlight+more)
	for range vault.MaxInFlight + more {
		go func() {
			_, err := c.Login(t.Context(), pod, "r", secret.NewString(jwt))
			done <- err
		}()
	}
	for range vault.MaxInFlight {
		<-entered
	}
	select {
	case <-entered:
		assert.Fail(t, "one request more than the limit is on its way")
	case <-time.After(100 * time.Millisecond):
	}
	close(leave)
	for range vault.MaxInFlight + more {
		require.NoError(t, <-done)
	}
	assert.Len(t, d.asked(), vault.MaxInFlight+more)
}
