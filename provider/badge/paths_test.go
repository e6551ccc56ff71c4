package badge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func pattern(t *testing.T, text string) rawpath.Pattern {
	t.Helper()
	p, err := rawpath.ParsePattern(text)
	require.NoError(t, err)
	return p
}

func raw(t *testing.T, text string, args map[string]string) badge.Ask {
	t.Helper()
	r, err := rawpath.Parse(text, args)
	require.NoError(t, err)
	return badge.Ask{Path: r}
}

// rawClaim is the valid claim, which also asks for a credential and a certificate that the operator grants.
func rawClaim(t *testing.T) badge.Claim {
	t.Helper()
	c := validClaim()
	c.Paths = []badge.PathRule{
		{Pattern: pattern(t, "database/creds/{role}"), Kind: badge.KindLease},
		{Pattern: pattern(t, "pki/issue/{role}"), Kind: badge.KindCertificate, Write: true, Args: []string{"common_name", "ttl"}},
		{Pattern: pattern(t, "kv/shared/*"), Kind: badge.KindValue, Scopes: []badge.Pattern{scopes(t, "prod/acme/support")}},
	}
	c.Asks = append(c.Asks, raw(t, "database/creds/gtc.prod.acme.sales", nil),
		raw(t, "pki/issue/gtc.prod.acme.sales", map[string]string{"common_name": "sales.acme"}))
	return c
}

func scopes(t *testing.T, text string) badge.Pattern {
	t.Helper()
	p, err := badge.ParsePattern(text)
	require.NoError(t, err)
	return p
}

func TestAdmitGrantsRawPaths(t *testing.T) {
	claim := rawClaim(t)
	granted, err := badge.Naming{}.Admit(claim, noon)
	require.NoError(t, err)
	require.Len(t, granted, 4)
	assert.Equal(t, claim.Asks[0].Reference, granted[0].Reference())
	assert.True(t, granted[0].Path().IsZero())
	lease, certificate := granted[2].Path(), granted[3].Path()
	assert.Equal(t, claim.Asks[2].Path, lease.Request())
	assert.Equal(t, badge.KindLease, lease.Kind())
	assert.False(t, lease.IsWrite())
	assert.True(t, lease.IsHeld())
	assert.Equal(t, claim.Asks[3].Path, certificate.Request())
	assert.True(t, certificate.IsWrite())
	assert.True(t, certificate.IsHeld())
	assert.True(t, granted[2].Reference().IsZero())
	assert.False(t, granted[2].IsZero())
	assert.True(t, granted[2].WholeTenant().IsZero(), "a raw path is nobody else's")
	assert.True(t, badge.Granted{}.Path().IsZero())

	claim.Scope, claim.Asks = secretref.MustParseScope("prod/acme/support"), []badge.Ask{raw(t, "kv/shared/a", nil)}
	claim.Pod.Namespace, claim.Pod.ServiceAccount = "gtc-prod--acme--support", "gtc.acme.support"
	claim.Token.Namespace, claim.Token.ServiceAccount = "gtc-prod--acme--support", "gtc.acme.support"
	claim.Token.Subject = "system:serviceaccount:gtc-prod--acme--support:gtc.acme.support"
	granted, err = badge.Naming{}.Admit(claim, noon)
	require.NoError(t, err)
	assert.False(t, granted[0].Path().IsHeld())
}

// Each row is the valid claim with one mutation.
func TestAdmitDeniesRawPaths(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(*badge.Claim)
		text   string
	}{
		"another team's": {
			func(c *badge.Claim) { c.Asks[2] = raw(t, "database/creds/gtc.prod.acme.support", nil) },
			`objects[2].path: "database/creds/gtc.prod.acme.support" is none of the raw paths that the provider's configuration grants the scope ` +
				`"prod/acme/sales" on this connection ("database/creds/gtc.prod.acme.sales", "pki/issue/gtc.prod.acme.sales"); name one of them`,
		},
		"one for another scope":   {func(c *badge.Claim) { c.Asks[2] = raw(t, "kv/shared/a", nil) }, `objects[2].path: "kv/shared/a" is none`},
		"one that is not granted": {func(c *badge.Claim) { c.Paths = nil; c.Asks = c.Asks[:3] }, "(there is none)"},
		"a rule of nothing":       {func(c *badge.Claim) { c.Paths = []badge.PathRule{{}}; c.Asks = c.Asks[:3] }, "(there is none)"},
		"a field that may not be sent": {
			func(c *badge.Claim) {
				c.Asks[3] = raw(t, "pki/issue/gtc.prod.acme.sales", map[string]string{"common_name": "a", "uri_sans": "b"})
			},
			`objects[3].args: "uri_sans" may not be sent to "pki/issue/gtc.prod.acme.sales" (what may: common_name, ttl)`,
		},
		"a field in the path": {
			func(c *badge.Claim) { c.Asks[2] = raw(t, "database/creds/gtc.prod.acme.sales?ttl=1h", nil) },
			`objects[2].args: "ttl" may not be sent to "database/creds/gtc.prod.acme.sales" (nothing may)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			claim := rawClaim(t)
			row.mutate(&claim)
			granted, err := badge.Naming{}.Admit(claim, noon)
			require.ErrorIs(t, err, badge.ErrDenied)
			assert.Nil(t, granted)
			assert.ErrorContains(t, err, row.text)
			assert.Equal(t, []badge.Reason{badge.ReasonPath}, reasons(err), "one mutation, one reason: %s", err)
		})
	}
}

func TestPathFor(t *testing.T) {
	rules := rawClaim(t).Paths
	sales, support := secretref.MustParseScope("prod/acme/sales"), secretref.MustParseScope("prod/acme/support")
	assert.Equal(t, "database/creds/gtc.prod.acme.sales", rules[0].PathFor(sales))
	assert.Equal(t, "kv/shared/*", rules[2].PathFor(support))
	assert.Empty(t, rules[2].PathFor(sales), "a rule for another scope")
	assert.Empty(t, rules[0].PathFor(secretref.Scope{}))
	assert.Empty(t, badge.PathRule{}.PathFor(sales))
}

func TestARawPathNeedsTheBadgeToo(t *testing.T) {
	claim := rawClaim(t)
	claim.Pod.ServiceAccount = "default"
	_, err := badge.Naming{}.Admit(claim, noon)
	require.ErrorIs(t, err, badge.ErrDenied)
	assert.Contains(t, reasons(err), badge.ReasonBadge)
}
