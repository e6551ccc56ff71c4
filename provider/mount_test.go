package provider_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

const (
	token    = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	signing  = "secret://prod/acme/sales/messaging-slack/slack_signing_secret"
	key      = "secret://prod/acme/_/openai/api_key"
	plain    = "secret://prod/acme/sales/configs/database"
	absent   = "secret://prod/acme/sales/configs/absent"
	foreign  = "secret://prod/acme/marketing/configs/database"
	oneToken = "- ref: " + token
)

func filled(t testing.TB) *doubleVault {
	t.Helper()
	v := newVault(t)
	v.putRecord(token, "xoxb-canary-token")
	v.putRecord(signing, `{"user":"u","password":"p@ss","port":5432,"empty":""}`)
	v.putRecord(key, "sk-canary-key")
	v.putRecord(token+"@2", "the second")
	v.put(plain, map[string]any{"value": "plain value", "port": 5432, "nested": map[string]any{"a": 1}, "empty": ""})
	return v
}

func TestAVersionIsAnswered(t *testing.T) {
	w := wire(t, configuration(newVault(t)))
	version, err := w.Version(t.Context(), &v1alpha1.VersionRequest{Version: "v1alpha1"})
	require.NoError(t, err)
	assert.Equal(t, "v1alpha1", version.GetVersion())
	assert.Equal(t, "greentic", version.GetRuntimeName())
	assert.Equal(t, "1.2.3", version.GetRuntimeVersion())
}

func TestAMountAnswersItsFilesInOrder(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	response, err := w.mount(t, good(`
- ref: `+token+`
- ref: `+key+`
  file: keys/openai
  mode: "0400"
- ref: `+signing+`
  file: password
  key: password
- ref: `+signing+`
  file: port
  key: port
- ref: `+plain+`
- ref: `+plain+`
  file: nested.json
  key: nested
- ref: `+plain+`
  file: empty
  key: empty
- ref: `+absent+`
  optional: true
- ref: `+token+`@2
  file: second
- ref: secret://prod/acme/sales/openai/api_key
  fallback: tenant
`))
	require.NoError(t, err)
	type file struct {
		path, contents string
		mode           int32
	}
	var got []file
	for i, f := range response.GetFiles() {
		got = append(got, file{f.GetPath(), string(f.GetContents()), f.GetMode()})
		assert.Equal(t, f.GetPath(), response.GetObjectVersion()[i].GetId(), "a version stands for its file")
		assert.NotEmpty(t, response.GetObjectVersion()[i].GetVersion())
	}
	assert.Equal(t, []file{
		{"sales/messaging-slack/slack_bot_token", "xoxb-canary-token", 0o644},
		{"keys/openai", "sk-canary-key", 0o400},
		{"password", "p@ss", 0o644},
		{"port", "5432", 0o644},
		{"sales/configs/database", "plain value", 0o644},
		{"nested.json", `{"a":1}`, 0o644},
		{"empty", "", 0o644},
		{"second", "the second", 0o644},
		{"sales/openai/api_key", "sk-canary-key", 0o644},
	}, got)
}

func TestAMountAsksOnceForEachThing(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	_, err := w.mount(t, good(`
- ref: `+token+`
- ref: `+token+`
  file: again
- ref: `+key+`
- ref: `+plain+`
- ref: secret://prod/acme/sales/openai/api_key
  fallback: tenant
`))
	require.NoError(t, err)
	asked := v.asked()
	assert.Equal(t, "auth/kubernetes/login", asked[0])
	assert.Equal(t, "transit/decrypt/greentic", asked[len(asked)-1])
	assert.ElementsMatch(t, []string{
		"secret/data/greentic/prod/acme/sales/messaging-slack/slack_bot_token",
		"secret/data/greentic/prod/acme/_/openai/api_key",
		"secret/data/greentic/prod/acme/sales/configs/database",
		"secret/data/greentic/prod/acme/sales/openai/api_key",
	}, asked[1:len(asked)-1])
	for _, header := range v.headers {
		assert.Equal(t, "gtc-prod--acme--sales/worker-0/0f0e0d0c-0b0a-0908-0706-050403020100", header.Get("X-Greentic-Pod"))
	}

	t.Run("and transit not at all for plain values", func(t *testing.T) {
		v.requests = nil
		_, err := w.mount(t, good("- ref: "+plain))
		require.NoError(t, err)
		assert.Equal(t, []string{"auth/kubernetes/login", "secret/data/greentic/prod/acme/sales/configs/database"}, v.asked())
	})
}

func TestAnEmptyVolumeHasAFile(t *testing.T) {
	w := wire(t, configuration(newVault(t)))
	response, err := w.mount(t, good("- ref: "+absent+"\n  optional: true"))
	require.NoError(t, err)
	require.Len(t, response.GetFiles(), 1)
	assert.Equal(t, ".greentic-empty", response.GetFiles()[0].GetPath())
	assert.Empty(t, response.GetFiles()[0].GetContents())
	assert.Len(t, response.GetObjectVersion(), 1)
}

func TestVersionsChangeWithWhatTheyStandFor(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v)+"refresh: {interval: always}\n")
	version := func(objects string) string {
		response, err := w.mount(t, good(objects))
		require.NoError(t, err)
		return response.GetObjectVersion()[0].GetVersion()
	}
	first := version(oneToken)
	assert.True(t, strings.HasPrefix(first, "1-"+created+"-"), first)
	assert.Equal(t, first, version(oneToken), "the same secret has the same version")
	assert.NotEqual(t, first, version(oneToken+"@2\n  file: sales/messaging-slack/slack_bot_token"))
	assert.NotEqual(t, first, version("- ref: "+signing+"\n  file: sales/messaging-slack/slack_bot_token"))
	assert.NotEqual(t, version("- {ref: '"+signing+"', key: user}"), version("- {ref: '"+signing+"', key: password}"))
}

func TestTokensInSecretsServeAsWell(t *testing.T) {
	w := wire(t, configuration(filled(t)))
	r := good(oneToken)
	r.noTokens = true
	r.secrets = map[string]string{tokensKey: r.tokens(), "something": "else"}
	_, err := w.mount(t, r)
	require.NoError(t, err)

	r.noTokens = false
	_, err = w.mount(t, r)
	require.NoError(t, err, "the driver sends them in both places")
}

func TestATokenThatVaultKeepsIsGivenBack(t *testing.T) {
	v := filled(t)
	v.kind = "service"
	w := wire(t, configuration(v))
	for _, objects := range []string{oneToken, "- ref: " + absent} {
		v.requests = nil
		_, _ = w.mount(t, good(objects))
		asked := v.asked()
		assert.Equal(t, "auth/token/revoke-self", asked[len(asked)-1], "after %s", objects)
	}
}

func TestAnotherConnection(t *testing.T) {
	v := newVault(t)
	v.login = map[string]string{"role": "gtc.prod.eu.sales"}
	v.put("secret://prod/eu/sales/configs/database", map[string]any{"value": "v"})
	w := wire(t, configuration(v))
	r := good("- ref: secret://prod/eu/sales/configs/database")
	r.attributes["scope"], r.attributes["vault"], r.audience = "prod/eu/sales", "europe", "vault-eu"
	r.attributes["csi.storage.k8s.io/pod.namespace"] = "gtc-prod--eu--sales"
	r.attributes["csi.storage.k8s.io/serviceAccount.name"] = "gtc.eu.sales"
	r.claims["aud"] = "vault-eu"
	r.claims["sub"] = "system:serviceaccount:gtc-prod--eu--sales:gtc.eu.sales"
	r.claims["kubernetes.io"] = map[string]any{
		"namespace": "gtc-prod--eu--sales", "serviceaccount": map[string]any{"name": "gtc.eu.sales"},
		"pod": map[string]any{"name": "worker-0", "uid": "0f0e0d0c-0b0a-0908-0706-050403020100"},
	}
	_, err := w.mount(t, r)
	require.NoError(t, err)
	assert.Equal(t, "auth/jwt/login", v.asked()[0])
}
