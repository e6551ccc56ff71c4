package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/test/helm"
)

// TestWhatIsRefused: every refusal names the value.
func TestWhatIsRefused(t *testing.T) {
	vault := func(fields string) string {
		return "vaults: [{name: v, addresses: ['https://v:8200'], audience: a, " + fields + "}]"
	}
	for name, row := range map[string]struct{ set, says string }{
		"an unknown value":              {"colour: red", "at '': additional properties 'colour' not allowed"},
		"a nested one":                  {"image: {tga: x}", "at '/image': additional properties 'tga' not allowed"},
		"a connection's":                {vault("roleName: x"), "at '/vaults/0': additional properties 'roleName' not allowed"},
		"a badge's":                     {"badges: [{namespace: team, serviceAccount: b, scope: a/b/c, team: d}]", "at '/badges/0': additional properties 'team' not allowed"},
		"no connection":                 {"vaults: []", "at '/vaults': minItems: got 0, want 1"},
		"no audience":                   {"vaults: [{name: v, addresses: ['https://v']}]", "at '/vaults/0': missing property 'audience'"},
		"the API server's audience":     {"vaults: [{name: v, addresses: ['https://v'], audience: 'https://kubernetes.default.svc'}]", "at '/vaults/0/audience'"},
		"no address":                    {"vaults: [{name: v, addresses: [], audience: a}]", "at '/vaults/0/addresses': minItems"},
		"an address without a scheme":   {"vaults: [{name: v, addresses: ['v:8200'], audience: a}]", "at '/vaults/0/addresses/0'"},
		"an address with a user":        {"vaults: [{name: v, addresses: ['https://u:p@v'], audience: a}]", "at '/vaults/0/addresses/0'"},
		"another method":                {vault("authMethod: approle"), "at '/vaults/0/authMethod': value must be one of 'kubernetes', 'jwt'"},
		"a mount that climbs":           {vault("kvMount: a/../b"), "at '/vaults/0/kvMount'"},
		"a mount with a slash":          {vault("kvMount: /a"), "at '/vaults/0/kvMount'"},
		"two authorities":               {vault("caCert: '-----BEGIN CERTIFICATE-----', caCertFile: /x"), "at '/vaults/0': 'not' failed"},
		"a connection's name":           {"vaults: [{name: Not_It, addresses: ['https://v'], audience: a}]", "at '/vaults/0/name'"},
		"a layout":                      {"layout: flat", "at '/layout': value must be one of 'scope', 'environment'"},
		"a log level":                   {"logLevel: loud", "at '/logLevel'"},
		"an interval without a unit":    {"refresh: {interval: '5'}", "at '/refresh/interval'"},
		"an unknown end":                {"refresh: {onDenied: delete}", "at '/refresh/onDenied': value must be one of 'keep', 'remove'"},
		"a raw path that is a text":     {"rawPaths: [database/creds/x]", "at '/rawPaths/0': got string, want object"},
		"a raw path of two parts":       {"rawPaths: [{path: 'a/{tenant}-{team}'}]", "at '/rawPaths/0/path'"},
		"a raw path of Vault's own":     {"rawPaths: [{path: Sys/raw}]", "at '/rawPaths/0/path': 'not' failed"},
		"a raw path's kind":             {"rawPaths: [{path: a/b, kind: secret}]", "at '/rawPaths/0/kind': value must be one of 'value', 'lease', 'certificate'"},
		"a raw path's argument":         {"rawPaths: [{path: a/b, args: [a-b]}]", "at '/rawPaths/0/args/0'"},
		"a pull policy":                 {"image: {pullPolicy: Sometimes}", "at '/image/pullPolicy'"},
		"a digest":                      {"image: {digest: abc}", "at '/image/digest'"},
		"a folder with a dot":           {"providersDir: /var/../etc", "at '/providersDir'"},
		"a relative folder":             {"providersDir: var", "at '/providersDir'"},
		"a switch that is a text":       {"admission: {enabled: 'false'}", "at '/admission/enabled': got string, want boolean"},
		"a watch that is a text":        {"podWatch: {enabled: 'yes'}", "at '/podWatch/enabled': got string, want boolean"},
		"an upgrade that leaves gaps":   {"maxSurge: 0", "at '/maxSurge'"},
		"or none of the nodes":          {"maxSurge: 0%", "at '/maxSurge'"},
		"a volume from two":             {"caVolumes: [{name: v, configMap: a, secret: b}]", "at '/caVolumes/0'"},
		"a volume from nowhere":         {"caVolumes: [{name: v}]", "at '/caVolumes/0'"},
		"a resource":                    {"resources: {request: {cpu: 1}}", "at '/resources': additional properties 'request' not allowed"},
		"a quantity":                    {"resources: {requests: {cpu: lots}}", "at '/resources/requests/cpu'"},
		"a toleration":                  {"tolerations: [{keys: k}]", "at '/tolerations/0': additional properties 'keys' not allowed"},
		"a label that is no text":       {"podLabels: {a: 1}", "at '/podLabels/a': got number, want string"},
		"a peer":                        {"networkPolicy: {vaultTo: [{cidr: 10.0.0.0/8}]}", "at '/networkPolicy/vaultTo/0': additional properties 'cidr' not allowed"},
		"an interval":                   {"podMonitor: {interval: often}", "at '/podMonitor/interval'"},
		"a CEL literal's end in a name": {"badges: [{namespace: \"a'b\", serviceAccount: b, scope: a/b/c}]", "at '/badges/0/namespace'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := templateText(t, row.set)
			require.ErrorIs(t, err, helm.ErrRefused)
			assert.ErrorContains(t, err, row.says)
		})
	}
	t.Run("as a part of another chart", func(t *testing.T) {
		_, err := templateText(t, "global: {anything: true}")
		require.NoError(t, err)
	})
}

// TestNoObjectOfTheSchemaIsOpen: what is unknown is refused at every depth. The exceptions are the API's own, which it checks itself.
func TestNoObjectOfTheSchemaIsOpen(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "values.schema.json"))
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	open := []string{
		"/properties/global", "/properties/affinity/properties/nodeAffinity", "/properties/affinity/properties/podAffinity",
		"/properties/affinity/properties/podAntiAffinity",
	}
	assert.ElementsMatch(t, open, openObjects("", schema))
}

func openObjects(path string, node any) []string {
	var found []string
	switch node := node.(type) {
	case map[string]any:
		if node["type"] == "object" {
			if more, closed := node["additionalProperties"]; !closed || more == true {
				found = append(found, path)
			}
		}
		for name, child := range node {
			found = append(found, openObjects(path+"/"+name, child)...)
		}
	case []any:
		for _, child := range node {
			found = append(found, openObjects(path+"/…", child)...)
		}
	}
	return found
}

// full has every field of a connection.
const full = `
layout: environment
vaults:
- name: default
  addresses: [https://a.example:8200, "https://b.example/vault/"]
  namespace: teams/a
  authMethod: jwt
  authMount: cluster-1
  audience: vault-eu
  caCert: |
    CERTIFICATE
  kvMount: kv/eu
  kvPrefix: gtc
  transitMount: unwrap
  transitKey: k1
  scopes: ["prod/acme/*", "dev/*/*"]
- name: us
  addresses: [http://127.0.0.1:8200]
  audience: vault-us
  authMethod: kubernetes
badges:
- {namespace: own, serviceAccount: bot, scope: prod/acme/sales}
`

// TestTheProviderTakesItsConfiguration: what the chart makes of its values is what the provider reads.
func TestTheProviderTakesItsConfiguration(t *testing.T) {
	certificate := strings.ReplaceAll(strings.TrimSpace(authority(t)), "\n", "\n    ")
	for name, values := range map[string]string{"as shipped": "", "everything": strings.ReplaceAll(full, "CERTIFICATE", certificate)} {
		t.Run(name, func(t *testing.T) {
			object := find(render(t, values), configMap)
			require.NotNil(t, object)
			var text string
			require.NoError(t, json.Unmarshal([]byte(at(t, object, configFile)), &text))
			file := filepath.Join(t.TempDir(), "provider.yaml")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			read, err := config.Load(file)
			require.NoError(t, err, text)
			if values == "" {
				assert.Equal(t, "https://vault.vault.svc:8200", read.Vaults[0].Addresses[0].String())
				return
			}
			eu, us := read.Vaults[0], read.Vaults[1]
			assert.Equal(t, []string{"default", "teams/a", "cluster-1", "vault-eu", "kv/eu", "gtc", "unwrap", "k1"},
				[]string{eu.Name, eu.Namespace, eu.AuthMount, eu.Audience, eu.KVMount, eu.KVPrefix, eu.TransitMount, eu.TransitKey})
			assert.Equal(t, config.JWT, eu.AuthMethod)
			assert.NotNil(t, eu.RootCAs)
			assert.Len(t, eu.Scopes, 2)
			assert.Equal(t, config.Kubernetes, us.AuthMethod)
		})
	}
}
