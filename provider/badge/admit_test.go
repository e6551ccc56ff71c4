package badge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// validClaim is a pod of prod/acme/sales that asks for its own secret and for the tenant's, everything in order.
func validClaim() badge.Claim {
	return badge.Claim{
		Scope: secretref.MustParseScope("prod/acme/sales"),
		Pod: badge.Pod{
			Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: "5c7d", ServiceAccount: "gtc.acme.sales",
		},
		Token: badge.Claims{
			Subject: "system:serviceaccount:gtc-prod--acme--sales:gtc.acme.sales", Namespace: "gtc-prod--acme--sales",
			ServiceAccount: "gtc.acme.sales", PodName: "worker-0", PodUID: "5c7d", Audiences: []string{"other", "vault"},
			Expires: noon.Add(time.Second),
		},
		Audience: "vault",
		Asks: []badge.Ask{
			{Reference: secretref.MustParse("secret://prod/acme/sales/slack/token@3")},
			{Reference: secretref.MustParse("secret://prod/acme/_/openai/key")},
		},
	}
}

func TestAdmitGrantsInOrder(t *testing.T) {
	claim := validClaim()
	granted, err := badge.Naming{}.Admit(claim, noon)
	require.NoError(t, err)
	require.Len(t, granted, 2)
	for i, g := range granted {
		assert.Equal(t, claim.Asks[i].Reference, g.Reference())
		assert.False(t, g.IsZero())
	}
	assert.Equal(t, secretref.MustParse("secret://prod/acme/_/slack/token@3"), granted[0].WholeTenant().Reference())
	assert.True(t, badge.Granted{}.IsZero())
	assert.True(t, badge.Granted{}.WholeTenant().IsZero(), "the tenant's part of nothing is nothing")
}

// Each row is the valid claim with one mutation.
func TestAdmitDenies(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(*badge.Claim)
		reason badge.Reason
		text   string
	}{
		"another team's scope": {
			func(c *badge.Claim) {
				c.Scope = secretref.MustParseScope("prod/acme/support")
				c.Asks = c.Asks[1:]
			},
			badge.ReasonBadge, `"prod/acme/support" is proven by namespace "gtc-prod--acme--support" and ServiceAccount "gtc.acme.support", ` +
				`and this pod has namespace "gtc-prod--acme--sales" and ServiceAccount "gtc.acme.sales"`,
		},
		"the whole tenant's scope": {
			func(c *badge.Claim) {
				c.Scope = secretref.MustParseScope("prod/acme/_")
				c.Asks = c.Asks[1:]
			},
			badge.ReasonBadge, `"prod/acme/_" is proven by namespace "gtc-prod"`,
		},
		"no scope": {
			func(c *badge.Claim) { c.Scope, c.Asks = secretref.Scope{}, nil }, badge.ReasonBadge, "scope: ",
		},
		"another namespace": {
			func(c *badge.Claim) {
				c.Pod.Namespace, c.Token.Namespace = "gtc-prod", "gtc-prod"
				c.Token.Subject = "system:serviceaccount:gtc-prod:gtc.acme.sales"
			},
			badge.ReasonBadge, `has namespace "gtc-prod"`,
		},
		"another ServiceAccount": {
			func(c *badge.Claim) {
				c.Pod.ServiceAccount, c.Token.ServiceAccount = "default", "default"
				c.Token.Subject = "system:serviceaccount:gtc-prod--acme--sales:default"
			},
			badge.ReasonBadge, `ServiceAccount "default"`,
		},
		"a token of another subject": {
			func(c *badge.Claim) { c.Token.Subject = "system:serviceaccount:gtc-prod--acme--sales:gtc.acme" },
			badge.ReasonToken, `its sub is "system:serviceaccount:gtc-prod--acme--sales:gtc.acme" where the kubelet says ` +
				`"system:serviceaccount:gtc-prod--acme--sales:gtc.acme.sales"`,
		},
		"a token of another namespace":      {func(c *badge.Claim) { c.Token.Namespace = "kube-system" }, badge.ReasonToken, `kubernetes.io.namespace is "kube-system"`},
		"a token of another ServiceAccount": {func(c *badge.Claim) { c.Token.ServiceAccount = "x" }, badge.ReasonToken, "kubernetes.io.serviceaccount.name"},
		"a token of another pod":            {func(c *badge.Claim) { c.Token.PodUID = "5c7e" }, badge.ReasonToken, "kubernetes.io.pod.uid"},
		"a token of another pod's name":     {func(c *badge.Claim) { c.Token.PodName = "worker-1" }, badge.ReasonToken, "kubernetes.io.pod.name"},
		"a token of no pod": {
			func(c *badge.Claim) { c.Token.PodUID, c.Pod.UID = "", "" }, badge.ReasonToken, "kubernetes.io.pod.uid",
		},
		"a token for another audience": {
			func(c *badge.Claim) { c.Token.Audiences = []string{"https://kubernetes.default.svc", "vaul"} },
			badge.ReasonToken, `its audience is ["https://kubernetes.default.svc" "vaul"] where the connection's is "vault"`,
		},
		"a token for nobody":       {func(c *badge.Claim) { c.Token.Audiences = nil }, badge.ReasonToken, "tokenRequests"},
		"a connection without one": {func(c *badge.Claim) { c.Audience, c.Token.Audiences = "", []string{""} }, badge.ReasonToken, "audience"},
		"a token that is over":     {func(c *badge.Claim) { c.Token.Expires = noon }, badge.ReasonToken, "it expired at 2026-06-01T12:00:00Z"},
		"a token without an end":   {func(c *badge.Claim) { c.Token.Expires = time.Time{} }, badge.ReasonToken, "it expired at"},
		"another team's secret": {
			func(c *badge.Claim) {
				c.Asks[1].Reference = secretref.MustParse("secret://prod/acme/support/slack/token")
			},
			badge.ReasonReference, `objects[1].ref: "secret://prod/acme/support/slack/token" is outside the scope "prod/acme/sales"`,
		},
		"another tenant's secret": {
			func(c *badge.Claim) { c.Asks[0].Reference = secretref.MustParse("secret://prod/other/_/slack/token") },
			badge.ReasonReference, "objects[0].ref: ",
		},
		"another environment's secret": {
			func(c *badge.Claim) { c.Asks[0].Reference = secretref.MustParse("secret://dev/acme/sales/slack/token") },
			badge.ReasonReference, "objects[0].ref: ",
		},
		"no secret": {
			func(c *badge.Claim) { c.Asks[0].Reference = secretref.Reference{} }, badge.ReasonReference, "objects[0].ref: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			claim := validClaim()
			row.mutate(&claim)
			granted, err := badge.Naming{}.Admit(claim, noon)
			require.ErrorIs(t, err, badge.ErrDenied)
			assert.Nil(t, granted)
			assert.ErrorContains(t, err, row.text)
			assert.Equal(t, []badge.Reason{row.reason}, reasons(err), "one mutation, one reason: %s", err)
		})
	}
}

func TestAdmitTellsAllFaultsAtOnce(t *testing.T) {
	claim := validClaim()
	claim.Scope = secretref.MustParseScope("prod/other/_")
	claim.Token.PodUID = "x"
	claim.Token.Expires = noon.Add(-time.Hour)
	_, err := badge.Naming{}.Admit(claim, noon)
	require.ErrorIs(t, err, badge.ErrDenied)
	assert.Equal(t, []badge.Reason{
		badge.ReasonBadge, badge.ReasonToken, badge.ReasonToken, badge.ReasonReference, badge.ReasonReference,
	}, reasons(err))
}

// Hostile names of a pod end in an event: on one line, and quoted.
func TestAdmitQuotes(t *testing.T) {
	claim := validClaim()
	claim.Token.PodName = "a\nb: c"
	_, err := badge.Naming{}.Admit(claim, noon)
	assert.ErrorContains(t, err, `"a\nb: c"`)
	assert.NotContains(t, err.Error(), "\n")
}

func reasons(err error) []badge.Reason {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var found []badge.Reason
	for _, fault := range joined.Unwrap() {
		var denial *badge.Denial
		if errors.As(fault, &denial) {
			found = append(found, denial.Reason)
		}
	}
	return found
}
