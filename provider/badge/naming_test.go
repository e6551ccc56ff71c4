package badge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestLayouts(t *testing.T) {
	sales := secretref.MustParseScope("prod/acme/sales")
	inScope := badge.Badge{Namespace: "gtc-prod--acme--sales", ServiceAccount: "gtc.acme.sales"}
	inEnvironment := badge.Badge{Namespace: "gtc-prod", ServiceAccount: "gtc.acme.sales"}
	for layout, want := range map[badge.Layout]badge.Badge{
		"": inScope, badge.LayoutScope: inScope, badge.LayoutEnvironment: inEnvironment,
	} {
		naming, err := badge.NewNaming(layout)
		require.NoError(t, err)
		assert.Equal(t, want, naming.Expected(sales))
		assert.Equal(t, want == inScope, naming.Proves(inScope, sales))
		assert.Equal(t, want == inEnvironment, naming.Proves(inEnvironment, sales))
		assert.False(t, naming.Proves(want, secretref.MustParseScope("prod/acme/_")))
		assert.False(t, naming.Proves(want, secretref.Scope{}))
		assert.False(t, naming.Proves(badge.Badge{}, secretref.Scope{}))
	}
	var zero badge.Naming
	assert.True(t, zero.Proves(inScope, sales), "the zero value is the default layout")
}

// A rule says what its badge proves, and then that badge proves nothing else, not even what its name computes to.
func TestRules(t *testing.T) {
	legacy := badge.Badge{Namespace: "legacy", ServiceAccount: "bot"}
	computed := badge.For(badge.LayoutScope, secretref.MustParseScope("prod/acme/sales"))
	naming, err := badge.NewNaming("",
		badge.Rule{Badge: legacy, Scope: secretref.MustParseScope("prod/acme/sales")},
		badge.Rule{Badge: computed, Scope: secretref.MustParseScope("prod/acme/support")})
	require.NoError(t, err)
	assert.True(t, naming.Proves(legacy, secretref.MustParseScope("prod/acme/sales")))
	assert.False(t, naming.Proves(legacy, secretref.MustParseScope("prod/acme/support")))
	assert.True(t, naming.Proves(computed, secretref.MustParseScope("prod/acme/support")))
	assert.False(t, naming.Proves(computed, secretref.MustParseScope("prod/acme/sales")))
	assert.False(t, naming.Proves(badge.Badge{Namespace: "legacy", ServiceAccount: "other"}, secretref.MustParseScope("prod/acme/sales")))

	claim := validClaim() // a pod of the computed badge, which the rule gives another scope
	_, err = naming.Admit(claim, noon)
	require.ErrorIs(t, err, badge.ErrDenied)
	assert.ErrorContains(t, err, `scope: "prod/acme/sales" is not this pod's: a rule of the provider's configuration says that namespace `+
		`"gtc-prod--acme--sales" and ServiceAccount "gtc.acme.sales" prove "prod/acme/support"`)
	claim.Scope, claim.Asks = secretref.MustParseScope("prod/acme/support"), nil
	_, err = naming.Admit(claim, noon)
	assert.NoError(t, err)
}

func TestNewNamingRefuses(t *testing.T) {
	scope := secretref.MustParseScope("prod/acme/sales")
	valid := badge.Rule{Badge: badge.Badge{Namespace: "legacy", ServiceAccount: "bot"}, Scope: scope}
	_, err := badge.NewNaming(badge.LayoutScope, valid)
	require.NoError(t, err)
	for text, rules := range map[string][]badge.Rule{
		"badges[0]": {{Badge: badge.Badge{ServiceAccount: "bot"}, Scope: scope}},
		"badges[1]": {valid, {Badge: badge.Badge{Namespace: "legacy"}, Scope: scope}},
		"needed":    {{Badge: valid.Badge}},
		"already":   {valid, valid},
	} {
		_, err := badge.NewNaming(badge.LayoutScope, rules...)
		require.ErrorIs(t, err, badge.ErrNaming)
		assert.ErrorContains(t, err, text)
	}
	_, err = badge.NewNaming("team", badge.Rule{}, badge.Rule{Badge: valid.Badge})
	require.ErrorIs(t, err, badge.ErrNaming)
	for _, text := range []string{`layout: `, `"team"`, "badges[0]", "badges[1]"} {
		assert.ErrorContains(t, err, text)
	}
}

func TestPatterns(t *testing.T) {
	for text, row := range map[string]struct{ matches, misses []string }{
		"*/*/*":             {[]string{"prod/acme/sales", "e/t/_"}, nil},
		"prod/*/*":          {[]string{"prod/acme/sales", "prod/t/_"}, []string{"dev/acme/sales", "prod-eu/acme/sales"}},
		"*/acme/sales":      {[]string{"prod/acme/sales", "dev/acme/sales"}, []string{"prod/acme/_", "prod/acm/sales"}},
		"prod/acme/_":       {[]string{"prod/acme/_"}, []string{"prod/acme/sales"}},
		"prod/acme/Default": {[]string{"prod/acme/_"}, []string{"prod/acme/sales"}},
	} {
		p, err := badge.ParsePattern(text)
		require.NoError(t, err)
		again, err := badge.ParsePattern(p.String())
		require.NoError(t, err)
		assert.Equal(t, p, again)
		for _, scope := range row.matches {
			s, err := secretref.ParseScope(scope)
			require.NoError(t, err)
			assert.True(t, p.Matches(s), "%s %s", text, scope)
		}
		for _, scope := range row.misses {
			s, err := secretref.ParseScope(scope)
			require.NoError(t, err)
			assert.False(t, p.Matches(s), "%s %s", text, scope)
		}
		assert.False(t, p.Matches(secretref.Scope{}))
	}
	assert.False(t, badge.Pattern{}.Matches(secretref.MustParseScope("e/t/m")), "the zero value matches nothing")
}

func TestParsePatternRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"": nil, "*": nil, "*/*": nil, "*/*/*/*": nil,
		"prod/acme/":       secretref.ErrEmpty,
		"prod/acm*/sales":  secretref.ErrCharacter,
		"prod/**/sales":    secretref.ErrCharacter,
		"Prod/*/*":         secretref.ErrCharacter,
		"../*/*":           secretref.ErrDotDot,
		"_/acme/sales":     secretref.ErrUnderscore,
		"prod/acme/sales ": secretref.ErrCharacter,
	} {
		_, err := badge.ParsePattern(text)
		require.ErrorIs(t, err, badge.ErrNaming, text)
		if want != nil {
			assert.ErrorIs(t, err, want, text)
		}
	}
}
