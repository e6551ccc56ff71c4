package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const rawPaths = least + `- name: second
  addresses: [https://second:8200]
  audience: other
rawPaths:
- path: database/creds/{role}
  kind: lease
- path: pki/issue/{role}
  kind: certificate
  args: [common_name, ttl]
  scopes: ["prod/*/*"]
- path: kv/data/shared/*
  vault: second
- path: ssh/sign/{team}
  method: write
  vault: default
`

func TestRawPathsBelongToConnections(t *testing.T) {
	c, err := config.Parse([]byte(rawPaths), nil)
	require.NoError(t, err)
	type rule struct {
		pattern string
		kind    badge.Kind
		write   bool
		args    []string
		scopes  int
	}
	var got [2][]rule
	for i, v := range c.Vaults {
		for _, r := range v.RawPaths {
			got[i] = append(got[i], rule{r.Pattern.String(), r.Kind, r.Write, r.Args, len(r.Scopes)})
		}
	}
	assert.Equal(t, [2][]rule{
		{
			{"database/creds/{role}", badge.KindLease, false, nil, 0},
			{"pki/issue/{role}", badge.KindCertificate, true, []string{"common_name", "ttl"}, 1},
			{"ssh/sign/{team}", badge.KindValue, true, nil, 0},
		},
		{{"kv/data/shared/*", badge.KindValue, false, nil, 0}},
	}, got)
	assert.True(t, c.Vaults[0].RawPaths[1].Scopes[0].Matches(secretref.MustParseScope("prod/acme/sales")))

	c, err = config.Parse([]byte(least+"rawPaths: []\n"), nil)
	require.NoError(t, err)
	assert.Empty(t, c.Vaults[0].RawPaths)
}

func TestRawPathsAlone(t *testing.T) {
	text := strings.Replace(rawPaths, "audience: vault", "audience: vault\n  caCertFile: /not/here.pem", 1)
	rules, err := config.RawPaths([]byte(text), "")
	require.NoError(t, err)
	assert.Len(t, rules, 3, "the first connection's, without the files that the rest names")
	rules, err = config.RawPaths([]byte(text), "second")
	require.NoError(t, err)
	require.Len(t, rules, 1)
	assert.Equal(t, "kv/data/shared/*", rules[0].Pattern.String())
	for name, row := range map[string]struct{ text, connection, says string }{
		"another connection": {rawPaths, "third", `vaults: invalid provider configuration: none has the name "third"`},
		"a path at fault":    {strings.Replace(rawPaths, "database/creds/{role}", "sys/x", 1), "", "rawPaths[0].path: "},
		"nothing":            {"", "", "file: "},
		"no connection":      {"apiVersion: greentic.ai/v1alpha1\nkind: ProviderConfig\n", "", "vaults: "},
	} {
		_, err := config.RawPaths([]byte(row.text), row.connection)
		require.ErrorIs(t, err, config.ErrInvalid, name)
		assert.ErrorContains(t, err, row.says, name)
	}
}

// Each row is the configuration above with one text replaced, and the one fault that it makes.
func TestRawPathsAreRefused(t *testing.T) {
	for name, row := range map[string]struct{ old, with, says string }{
		"no path":            {"path: kv/data/shared/*", "path: ''", "rawPaths[2].path: invalid provider configuration: \"\": is empty"},
		"Vault's own":        {"path: kv/data/shared/*", "path: sys/*", "rawPaths[2].path: "},
		"two parts at once":  {"database/creds/{role}", "database/creds/{tenant}-{team}", `rawPaths[0].path: invalid provider configuration: "database/creds/{tenant}-{team}" is no pattern of a path`},
		"a kind":             {"kind: lease", "kind: Lease", `rawPaths[0].kind: invalid provider configuration: "Lease" is none of value, lease, certificate`},
		"a method":           {"method: write", "method: PUT", `rawPaths[3].method: invalid provider configuration: "PUT" is neither "read" nor "write"`},
		"an argument":        {"[common_name, ttl]", "[common_name, TTL]", `rawPaths[1].args[1]: invalid provider configuration: "TTL" is no field to send`},
		"a scope":            {`["prod/*/*"]`, `["prod/*"]`, "rawPaths[1].scopes[0]: "},
		"no scope":           {`["prod/*/*"]`, `[]`, "rawPaths[1].scopes: "},
		"a connection":       {"vault: second", "vault: third", `rawPaths[2].vault: invalid provider configuration: "third" is none of the connections`},
		"a field of its own": {"kind: lease", "type: lease", "file: invalid provider configuration: line"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(rawPaths, row.old, row.with, 1)
			require.NotEqual(t, rawPaths, text)
			_, err := config.Parse([]byte(text), nil)
			require.ErrorIs(t, err, config.ErrInvalid)
			assert.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "\n", "one mutation, one fault")
		})
	}
}
