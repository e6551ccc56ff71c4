package fetch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// rawWishes are what badge.Admit says to paths under value/, lease/, certificate/ and write/.
func rawWishes(t *testing.T, asks ...badge.Ask) []fetch.Wish {
	t.Helper()
	var rules []badge.PathRule
	for text, rule := range map[string]badge.PathRule{
		"value/*": {Kind: badge.KindValue}, "lease/*": {Kind: badge.KindLease}, "certificate/*": {Kind: badge.KindCertificate, Write: true},
		"write/*": {Kind: badge.KindValue, Write: true, Args: []string{"name"}},
	} {
		var err error
		rule.Pattern, err = rawpath.ParsePattern(text)
		require.NoError(t, err)
		rules = append(rules, rule)
	}
	pod := badge.Pod{Namespace: "gtc-prod--acme--sales", Name: "w", UID: "u", ServiceAccount: "gtc.acme.sales"}
	w := make([]fetch.Wish, len(asks))
	for i, g := range admitted(t, secretref.MustParseScope("prod/acme/sales"), pod, asks, rules...) {
		w[i].Granted = g
	}
	return w
}

func path(t *testing.T, text string, args map[string]string) badge.Ask {
	t.Helper()
	r, err := rawpath.Parse(text, args)
	require.NoError(t, err)
	return badge.Ask{Path: r}
}

func value(text string) vault.Issued { return vault.Issued{Data: secret.NewString(text)} }

func TestRawValuesAreReadOnceEach(t *testing.T) {
	k := newKV()
	k.put(t, database, map[string]any{"value": "v"})
	k.issues["value/a"], k.issues["write/b"] = value(`{"a":1}`), value(`{"b":2}`)
	found, err := fetch.All(t.Context(), k, vault.Token{}, rawWishes(t,
		path(t, "value/a", nil), badge.Ask{Reference: database}, path(t, "write/b", map[string]string{"name": "n"}),
		path(t, "value/a", nil), path(t, "lease/x", nil), path(t, "certificate/x", nil)))
	require.NoError(t, err)
	require.Len(t, found, 6)
	assert.Equal(t, `{"a":1}`, found[0].Issued.Data.RevealString())
	assert.Equal(t, "value/a", found[0].Path.Request().Path())
	assert.Equal(t, database, found[1].Reference)
	assert.Equal(t, `{"b":2}`, found[2].Issued.Data.RevealString())
	assert.Equal(t, `{"a":1}`, found[3].Issued.Data.RevealString())
	assert.True(t, found[4].IsAbsent(), "what is held for a pod is not All's")
	assert.True(t, found[5].IsAbsent())
	assert.ElementsMatch(t, []vault.Ask{{Path: "value/a"}, {Path: "write/b", Write: true, Args: map[string]string{"name": "n"}}}, k.asks)
}

func TestRawValuesFail(t *testing.T) {
	k := newKV()
	k.errs["value/absent"] = fmt.Errorf("reading: %w", vault.ErrNotFound)
	k.errs["value/refused"] = fmt.Errorf("reading: %w", vault.ErrPolicy)
	wishes := rawWishes(t, path(t, "value/absent", nil), path(t, "value/refused", nil))
	_, err := fetch.All(t.Context(), k, vault.Token{}, wishes)
	require.ErrorIs(t, err, vault.ErrNotFound)
	require.ErrorIs(t, err, vault.ErrPolicy)
	assert.ErrorContains(t, err, "objects[0]: reading")
	assert.ErrorContains(t, err, "objects[1]: reading")
	wishes[0].Optional, wishes[1].Refusable = true, true
	found, err := fetch.All(t.Context(), k, vault.Token{}, wishes)
	require.NoError(t, err)
	assert.True(t, found[0].IsAbsent())
	assert.True(t, found[1].IsAbsent())
}

// Each row is an answer of another kind than the operator says.
func TestIssueHoldsTheAnswerAgainstItsKind(t *testing.T) {
	const certificate = `{"serial_number":"0a:1f","expiration":1780315200,"certificate":"c"}`
	leased := func(text string) vault.Issued {
		return vault.Issued{Data: secret.NewString(text), Lease: "lease/x/1", Lasts: time.Hour}
	}
	for name, row := range map[string]struct {
		path   string
		answer vault.Issued
		says   string // "" is that it is taken
	}{
		"a value":                       {"value/x", value(`{}`), ""},
		"a certificate":                 {"certificate/x", value(certificate), ""},
		"a value that is leased":        {"value/x", leased(`{}`), `"value/x": vault answers something else than the provider's rawPaths say: it is leased; write kind: lease`},
		"a certificate that is leased":  {"certificate/x", leased(certificate), "it is leased; write kind: lease there"},
		"a certificate without serial":  {"certificate/x", value(`{"expiration":1}`), "it is no certificate"},
		"a certificate without an end":  {"certificate/x", value(`{"serial_number":"0a"}`), "it is no certificate"},
		"a certificate of another kind": {"certificate/x", value(`{"serial_number":"0a\n","expiration":1}`), "it is no certificate"},
		"an end of text":                {"certificate/x", value(`{"serial_number":"0a","expiration":"1"}`), "it is no certificate"},
		"an end before all time":        {"certificate/x", value(`{"serial_number":"0a","expiration":0}`), "it is no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKV()
			k.issues[row.path] = row.answer
			issued, err := fetch.Issue(t.Context(), k, vault.Token{}, rawWishes(t, path(t, row.path, nil))[0].Granted)
			if row.says == "" {
				require.NoError(t, err)
				if row.path == "certificate/x" {
					assert.Equal(t, "0a:1f", issued.Serial)
					assert.Equal(t, time.Unix(1780315200, 0), issued.Ends)
				}
				return
			}
			require.ErrorIs(t, err, fetch.ErrKind)
			assert.ErrorContains(t, err, row.says)
			assert.Zero(t, issued)
		})
	}
}

func TestALeaseNeedsATokenThatCarriesIt(t *testing.T) {
	k := newKV()
	_, err := fetch.Issue(t.Context(), k, vault.Token{}, rawWishes(t, path(t, "lease/x", nil))[0].Granted)
	require.ErrorIs(t, err, vault.ErrBatch)
	assert.ErrorContains(t, err, `"lease/x" is leased: the vault role gives batch tokens, which carry no lease, and nothing was issued; run `+"`gtc-deployer vault apply`")
	assert.Empty(t, k.asks)
}

func TestNothingIsIssuedThatWasNotGranted(t *testing.T) {
	k := newKV()
	for _, g := range []badge.Granted{{}, granted(t, database)[0]} {
		_, err := fetch.Issue(t.Context(), k, vault.Token{}, g)
		require.ErrorIs(t, err, fetch.ErrNotGranted)
	}
	assert.Empty(t, k.asks)
}
