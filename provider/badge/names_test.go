package badge_test

import (
	"crypto/sha256"
	"encoding/base32"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// name is one of a scope's names, with the parts that it stands for.
type name struct {
	kind, text string
	parts      []string
}

// namesOf is every name of a scope. What the parts of each are is said here once more, independently of the package.
func namesOf(s secretref.Scope) []name {
	whole := s.Team() == secretref.WholeTenant
	account, namespace := []string{s.Tenant(), s.Team()}, []string{s.Env(), s.Tenant(), s.Team()}
	if whole {
		account, namespace = account[:1], namespace[:1]
	}
	return []name{
		{"namespace", badge.Namespace(badge.LayoutScope, s), namespace},
		{"namespace", badge.Namespace(badge.LayoutEnvironment, s), []string{s.Env()}},
		{"account", badge.ServiceAccount(s), account},
		{"role", badge.Role(s), append([]string{s.Env()}, account...)},
	}
}

// decode reads the parts back out of a name that stands as shown, by the table of the design alone; nil for a hashed name. It fails the
// test on a name that could have been made of other parts, too.
func decode(t *testing.T, n name) []string {
	t.Helper()
	if strings.Contains(n.text, "---") {
		return nil
	}
	prefix, separator := "gtc.", "."
	if n.kind == "namespace" {
		prefix, separator = "gtc-", "--"
	}
	rest, ok := strings.CutPrefix(n.text, prefix)
	require.True(t, ok, n.text)
	parts := strings.Split(rest, separator)
	for _, part := range parts {
		// A plain part begins and ends with a letter or digit and holds neither separator, so there is one way to split a name.
		if !plainPart.MatchString(part) {
			t.Fatalf("%q has a part %q", n.text, part)
		}
	}
	return parts
}

var (
	plainPart = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)                                   // a namespace: RFC 1123 label
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`) // a ServiceAccount
	hashed    = regexp.MustCompile(`^gtc[-.][a-z0-9]+(-[a-z0-9]+)*---[a-z2-7]{26}$`)
)

// meet gathers names and fails the test when two of one kind stand for different parts.
type meet struct{ owner map[string]string }

func (m *meet) add(t *testing.T, s secretref.Scope) {
	t.Helper()
	for _, n := range namesOf(s) {
		parts := strings.Join(n.parts, "/")
		if other, taken := m.owner[n.kind+" "+n.text]; taken {
			if other != parts {
				t.Fatalf("%q and %q meet in %s %q", other, parts, n.kind, n.text)
			}
			continue
		}
		m.owner[n.kind+" "+n.text] = parts
		legal := subdomain
		if n.kind == "namespace" {
			legal = label
		}
		if len(n.text) > 63 || !legal.MatchString(n.text) {
			t.Fatalf("%s %q is no name to Kubernetes", n.kind, n.text)
		}
		decoded := decode(t, n)
		switch {
		case decoded == nil && !hashed.MatchString(n.text):
			t.Fatalf("%q is neither plain nor hashed", n.text)
		case decoded != nil && !slices.Equal(decoded, n.parts):
			t.Fatalf("%q decodes to %q and was made of %q", n.text, decoded, n.parts)
		}
	}
}

func TestNamesOfTheDesign(t *testing.T) {
	team, tenant := secretref.MustParseScope("prod/acme/sales"), secretref.MustParseScope("prod/acme/_")
	assert.Equal(t, "gtc-prod--acme--sales", badge.Namespace(badge.LayoutScope, team))
	assert.Equal(t, "gtc-prod", badge.Namespace(badge.LayoutScope, tenant))
	assert.Equal(t, "gtc-prod", badge.Namespace(badge.LayoutEnvironment, team))
	assert.Equal(t, "gtc-prod", badge.Namespace(badge.LayoutEnvironment, tenant))
	assert.Equal(t, "gtc.acme.sales", badge.ServiceAccount(team))
	assert.Equal(t, "gtc.acme", badge.ServiceAccount(tenant))
	assert.Equal(t, "gtc.prod.acme.sales", badge.Role(team))
	assert.Equal(t, "gtc.prod.acme", badge.Role(tenant))
	assert.Equal(t, badge.Badge{Namespace: "gtc-prod--acme--sales", ServiceAccount: "gtc.acme.sales"}, badge.For(badge.LayoutScope, team))
	assert.Equal(t, "gtc-prod--acme--sales/gtc.acme.sales", badge.For(badge.LayoutScope, team).String())
}

// TestHashOfTheDesign computes the hash by the design's own words.
func TestHashOfTheDesign(t *testing.T) {
	s := secretref.MustParseScope("prod/acme.com/sales")
	for _, row := range []struct{ got, prefix, hashed string }{
		{badge.Namespace(badge.LayoutScope, s), "gtc-prod-acme-com-sales---", "namespace\nprod/acme.com/sales"},
		{badge.ServiceAccount(s), "gtc.acme-com-sales---", "serviceaccount\nacme.com/sales"},
		{badge.Role(s), "gtc.prod-acme-com-sales---", "role\nprod/acme.com/sales"},
	} {
		sum := sha256.Sum256([]byte(row.hashed))
		assert.Equal(t, row.prefix+strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26], row.got)
	}
}

// TestGoldenNames pins the names for good: a name that changes locks every worker out of its secrets.
func TestGoldenNames(t *testing.T) {
	x := strings.Repeat("x", secretref.MaxSegment)
	var golden strings.Builder
	for _, text := range []string{
		"prod/acme/sales", "prod/acme/_", "prod-eu/acme-corp/team-alpha", "zain-prod/3point/_", "local/default/_",
		"prod/acme.com/sales", "prod/acme_com/sales", "prod/acme--com/sales", "prod/acme/_sales", "prod.eu/acme/sales", "prod_eu/acme/_",
		"-/-/-", "prod/-/sales", "___/___/__", ".a/acme/sales", "prod/customer.support.and.a.long.tail/sales",
		"a234567890123456789012345/b2345678901234567890/c234567890123456", // namespace of 63 + 3: hashed; the others stand
		"a23456789012345678901/b2345678901234567/c2345678901234567",       // namespace of exactly 63
		"a23456789012345678901/b2345678901234567/c23456789012345678",      // and of 64: hashed
		x + "/" + x + "/" + x, x + "/" + x + "/_",
	} {
		s, err := secretref.ParseScope(text)
		require.NoError(t, err)
		fmt.Fprintf(&golden, "%s\n", s)
		for i, n := range namesOf(s) {
			fmt.Fprintf(&golden, "  %-22s %s\n", []string{"namespace", "namespace/environment", "serviceaccount", "role"}[i], n.text)
		}
	}
	const file = "testdata/names.golden"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), golden.String())
}

// TestAdversarialPairs keeps every pair of scopes that a simpler naming would let meet.
func TestAdversarialPairs(t *testing.T) {
	text, err := os.ReadFile("testdata/adversarial.txt")
	require.NoError(t, err)
	all := meet{owner: map[string]string{}}
	pairs := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Fields(line)
		require.Len(t, fields, 2, line)
		one, err := secretref.ParseScope(expand(fields[0]))
		require.NoError(t, err)
		other, err := secretref.ParseScope(expand(fields[1]))
		require.NoError(t, err)
		require.NotEqual(t, one, other, line)
		assert.NotEqual(t, badge.Role(one), badge.Role(other), line)
		assert.NotEqual(t, badge.For(badge.LayoutScope, one), badge.For(badge.LayoutScope, other), line)
		assert.NotEqual(t, badge.For(badge.LayoutEnvironment, one), badge.For(badge.LayoutEnvironment, other), line)
		all.add(t, one)
		all.add(t, other)
		pairs++
	}
	assert.Greater(t, pairs, 20)
}

// expand makes "a{60}" of the corpus sixty times a.
func expand(text string) string {
	return regexp.MustCompile(`.\{\d+\}`).ReplaceAllStringFunc(text, func(m string) string {
		var count int
		if _, err := fmt.Sscanf(m[1:], "{%d}", &count); err != nil {
			panic(err)
		}
		return strings.Repeat(m[:1], count)
	})
}

// TestSmallWorld takes every segment of one and two bytes out of the awkward alphabet, and some of three, in every place.
func TestSmallWorld(t *testing.T) {
	candidates := []string{"a-a", "a--", "--a", "-a-", "---", "a.a", "a_a", "aaa", "a..", "gtc"}
	for _, one := range []string{"a", "-", ".", "_"} {
		candidates = append(candidates, one)
		for _, two := range []string{"a", "-", ".", "_"} {
			candidates = append(candidates, one+two)
		}
	}
	var segments []string
	for _, segment := range candidates {
		if _, err := secretref.ParseScope(segment + "/t/m"); err == nil {
			segments = append(segments, segment)
		}
	}
	require.Len(t, segments, 27, "all but the three that are no segments: \".\", \"_\" and \"..\"")
	all := meet{owner: map[string]string{}}
	for _, env := range segments {
		for _, tenant := range segments {
			for _, team := range append([]string{"_"}, segments...) {
				s, err := secretref.ParseScope(env + "/" + tenant + "/" + team)
				require.NoError(t, err)
				all.add(t, s)
			}
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("prod/acme/sales", "prod/acme-sales/_")
	f.Add("a-b/c/d", "a/b-c/d")
	f.Add("a.b/c/_", "a_b/c/_")
	f.Fuzz(func(t *testing.T, one, other string) {
		all := meet{owner: map[string]string{}}
		for _, text := range []string{one, other} {
			if s, err := secretref.ParseScope(text); err == nil {
				all.add(t, s)
			}
		}
	})
}
