package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const least = `
apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- name: default
  addresses: [https://vault.vault.svc:8200]
  audience: vault
`

const full = `
apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
layout: environment
vaults:
- name: default
  addresses: [https://a.example:8200, "https://b.example/vault/"]
  namespace: teams/a
  authMethod: jwt
  authMount: cluster-1
  audience: vault-eu
  caCertFile: /ca.pem
  kvMount: kv/eu
  kvPrefix: gtc
  transitMount: unwrap
  transitKey: k1
  scopes: ["prod/acme/*", "dev/*/*"]
- name: second
  addresses: [http://127.0.0.1:8200, http://vault.vault.svc:8200]
  audience: other
badges:
- namespace: legacy
  serviceAccount: slack-bot
  scope: prod/acme/sales
rawPaths: []
`

func certificate(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// reads answers caCertFile with content.
func reads(content string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if path != "/ca.pem" {
			return nil, fmt.Errorf("no file %q", path)
		}
		return []byte(content), nil
	}
}

func TestDefaults(t *testing.T) {
	c, err := config.Parse([]byte(least), nil)
	require.NoError(t, err)
	require.Len(t, c.Vaults, 1)
	v := c.Vaults[0]
	assert.Equal(t, "https://vault.vault.svc:8200", v.Addresses[0].String())
	assert.Equal(t, config.Kubernetes, v.AuthMethod)
	assert.Equal(t, []string{"kubernetes", "secret", "greentic", "transit", "greentic", ""},
		[]string{v.AuthMount, v.KVMount, v.KVPrefix, v.TransitMount, v.TransitKey, v.Namespace})
	assert.Nil(t, v.RootCAs)
	assert.True(t, v.Serves(secretref.MustParseScope("any/thing/at-all")))
	assert.Empty(t, v.InClear())
	assert.Equal(t, "gtc-prod--acme--sales", c.Naming.Expected(secretref.MustParseScope("prod/acme/sales")).Namespace)
}

func TestEverythingCanBeSaid(t *testing.T) {
	c, err := config.Parse([]byte(full), reads(certificate(t)))
	require.NoError(t, err)
	require.Len(t, c.Vaults, 2)
	v := c.Vaults[0]
	assert.Equal(t, "https://b.example/vault", v.Addresses[1].String())
	assert.Equal(t, config.JWT, v.AuthMethod)
	assert.Equal(t, []string{"cluster-1", "kv/eu", "gtc", "unwrap", "k1", "teams/a"},
		[]string{v.AuthMount, v.KVMount, v.KVPrefix, v.TransitMount, v.TransitKey, v.Namespace})
	assert.NotNil(t, v.RootCAs)
	assert.True(t, v.Serves(secretref.MustParseScope("prod/acme/sales")))
	assert.False(t, v.Serves(secretref.MustParseScope("prod/other/sales")))
	assert.Len(t, c.Vaults[1].InClear(), 1, "loopback is not in the clear")
	assert.True(t, c.Naming.Proves(badge.Badge{Namespace: "legacy", ServiceAccount: "slack-bot"}, secretref.MustParseScope("prod/acme/sales")))
	assert.Equal(t, "gtc-prod", c.Naming.Expected(secretref.MustParseScope("prod/acme/sales")).Namespace)
}

// TestFaults changes one thing in a configuration that is else good.
func TestFaults(t *testing.T) {
	pemText := "  caCert: |\n    " + strings.ReplaceAll(strings.TrimSpace(certificate(t)), "\n", "\n    ") + "\n"
	for name, row := range map[string]struct{ old, with, says string }{
		"no version":              {"apiVersion: greentic.ai/v1alpha1", "", `apiVersion: invalid provider configuration: ""`},
		"another version":         {"v1alpha1", "v2", `"greentic.ai/v2" is not "greentic.ai/v1alpha1"`},
		"another kind":            {"ProviderConfig", "Pod", `kind: invalid provider configuration: "Pod"`},
		"an unknown field":        {"kind:", "colour: red\nkind:", "file: invalid provider configuration: line 3: field colour not found"},
		"an unknown vault field":  {"  audience: vault", "  audience: vault\n  token: x", "field token not found"},
		"a field twice":           {"kind:", "kind: ProviderConfig\nkind:", "already defined"},
		"another type":            {"addresses: [https://vault.vault.svc:8200]", "addresses: {a: b}", "cannot unmarshal !!map"},
		"no YAML":                 {"kind:", "{", "it is not YAML"},
		"two documents":           {"kind:", "---\nkind:", "more than one YAML document"},
		"an unknown layout":       {"kind:", "layout: team\nkind:", `layout: invalid badge naming: "team"`},
		"no vaults":               {least[strings.Index(least, "vaults:"):], "vaults: []", "vaults: invalid provider configuration: there is none"},
		"no name":                 {"name: default", "name: ''", "vaults[0].name: "},
		"a name with a dot":       {"name: default", "name: a.b", "vaults[0].name: "},
		"no address":              {"[https://vault.vault.svc:8200]", "[]", "vaults[0].addresses: "},
		"an address without TLS?": {"https://vault.vault.svc:8200", "vault.vault.svc:8200", "vaults[0].addresses[0]: "},
		"a file's address":        {"https://vault.vault.svc:8200", "file:///etc/passwd", "does not start with https://"},
		"an address with a user":  {"https://vault", "https://canary:canary@vault", "vaults[0].addresses[0]: invalid provider configuration: a user or password"},
		"an address with a query": {"https://vault.vault.svc:8200", "'https://vault.vault.svc:8200?x=y'", "has a query or a fragment"},
		"an address with a walk":  {":8200", ":8200/../x", "a path of other than plain segments"},
		"an address with nobody":  {"https://vault.vault.svc:8200", "https://", "names no host"},
		"a broken address":        {"https://vault.vault.svc:8200", `"https://[::1"`, "it is not a URL"},
		"no audience":             {"audience: vault", "audience: ''", "vaults[0].audience: invalid provider configuration: it is missing"},
		"the API server's own":    {"audience: vault", "audience: https://kubernetes.default.svc.cluster.local", "is the API server's own"},
		"an audience with a gap":  {"audience: vault", "audience: a b", "white space"},
		"an unknown method":       {"audience:", "authMethod: approle\n  audience:", `vaults[0].authMethod: invalid provider configuration: "approle" is neither "kubernetes" nor "jwt"`},
		"a mount that walks":      {"audience:", "kvMount: a/../b\n  audience:", `vaults[0].kvMount: invalid provider configuration: "a/../b"`},
		"a mount with a slash":    {"audience:", "authMount: /kubernetes/\n  audience:", "vaults[0].authMount: "},
		"a prefix with a star":    {"audience:", "kvPrefix: a*\n  audience:", "vaults[0].kvPrefix: "},
		"a key with a query":      {"audience:", "transitKey: a?b\n  audience:", "vaults[0].transitKey: "},
		"a CA that is none":       {"audience:", "caCert: hello\n  audience:", "vaults[0].caCert: invalid provider configuration: it is not a list of PEM certificates"},
		"a CA with a tail":        {"  audience:", pemText + "    tail\n  audience:", "vaults[0].caCert: "},
		"a CA that is a key":      {"  audience:", "  caCert: |\n    -----BEGIN PRIVATE KEY-----\n    AAAA\n    -----END PRIVATE KEY-----\n  audience:", "PEM block 1 is not a certificate"},
		"two CAs":                 {"  audience:", pemText + "  caCertFile: /ca.pem\n  audience:", "caCertFile is given too"},
		"a CA file that is gone":  {"audience:", "caCertFile: /gone\n  audience:", `vaults[0].caCertFile: invalid provider configuration: no file "/gone"`},
		"no scopes":               {"audience:", "scopes: []\n  audience:", "would serve nobody"},
		"a scope of two parts":    {"audience:", "scopes: [prod/acme]\n  audience:", "vaults[0].scopes[0]: "},
		"a name twice":            {"vaults:", "vaults:\n- {name: default, addresses: ['https://x'], audience: x}", `vaults[1].name: invalid provider configuration: "default" is the name of vaults[0] already`},
		"an audience twice":       {"vaults:", "vaults:\n- {name: x, addresses: ['https://x'], audience: vault}", "vaults[1].audience: "},
		"a badge without a scope": {"vaults:", "badges: [{namespace: a, serviceAccount: b}]\nvaults:", "badges[0]: "},
		"a badge of two scopes":   {"vaults:", "badges: [{namespace: a, serviceAccount: b, scope: p/a/s}, {namespace: a, serviceAccount: b, scope: p/a/t}]\nvaults:", "badges[1]: "},
		"a badge of no scope":     {"vaults:", "badges: [{namespace: a, serviceAccount: b, scope: p/a}]\nvaults:", "badges[0].scope: "},
		"a raw path, a text":      {"vaults:", "rawPaths: ['secret/*']\nvaults:", "file: invalid provider configuration: line 4: cannot unmarshal !!str `secret/*`"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(least, row.old, row.with, 1)
			require.NotEqual(t, least, text, "the row changes nothing")
			_, err := config.Parse([]byte(text), reads("x"))
			require.ErrorIs(t, err, config.ErrInvalid)
			assert.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "config.", "an operator does not know our types")
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Parse([]byte(`
kind: Pod
vaults:
- name: A
  addresses: [ftp://x, "https://u@x"]
  authMethod: x
  caCert: x
- audience: api
badges: [{scope: x}]
rawPaths: [{path: sys/x}]
colour: red
`), nil)
	require.ErrorIs(t, err, config.ErrInvalid)
	for _, path := range []string{
		"apiVersion:", "kind:", "rawPaths[0].path:", "colour", "badges[0].scope:", "badges[0]:", "vaults[0].name:", "vaults[0].addresses[0]:", "vaults[0].addresses[1]:",
		"vaults[0].authMethod:", "vaults[0].audience:", "vaults[0].caCert:", "vaults[1].name:", "vaults[1].addresses:", "vaults[1].audience:",
	} {
		assert.ErrorContains(t, err, path)
	}
}

func TestNothingAtAll(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", strings.Repeat("#", config.MaxFile+1)} {
		_, err := config.Parse([]byte(text), nil)
		require.ErrorIs(t, err, config.ErrInvalid)
		assert.ErrorContains(t, err, "file: ")
	}
}

// FuzzParse: nothing panics, every fault is an ErrInvalid, and what is accepted is whole.
func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add(full)
	f.Add("a: &a [*a]")
	f.Add("vaults: [{}]")
	f.Add("badges: [{}]\nrawPaths: [{path: 'a/{role}', kind: lease}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse([]byte(text), func(string) ([]byte, error) { return nil, errors.New("no file") })
		if err != nil {
			require.ErrorIs(t, err, config.ErrInvalid)
			return
		}
		require.NotEmpty(t, c.Vaults)
		for _, v := range c.Vaults {
			require.NotEmpty(t, v.Name)
			require.NotEmpty(t, v.Addresses)
			require.NotEmpty(t, v.Audience)
			require.NotEmpty(t, v.Scopes)
			for _, address := range v.Addresses {
				require.Nil(t, address.User)
				require.NotEmpty(t, address.Host)
			}
		}
	})
}
