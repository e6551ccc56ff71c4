package rawpath_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestParse(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		args map[string]string
		path string
		want map[string]string
	}{
		"a path":          {"database/creds/gtc.prod.acme.sales", nil, "database/creds/gtc.prod.acme.sales", nil},
		"every character": {"aZ09._-~@:=/x", nil, "aZ09._-~@:=/x", nil},
		"dots in names":   {"a/..b/c..", nil, "a/..b/c..", nil},
		"fields":          {"pki/issue/web", map[string]string{"common_name": "a b%?"}, "pki/issue/web", map[string]string{"common_name": "a b%?"}},
		"a query":         {"kv/a?version=3&x=y", nil, "kv/a", map[string]string{"version": "3", "x": "y"}},
		"a query besides": {"kv/a?version=3", map[string]string{"x": ""}, "kv/a", map[string]string{"version": "3", "x": ""}},
		"sys further on":  {"kv/sys", nil, "kv/sys", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := rawpath.Parse(row.text, row.args)
			require.NoError(t, err)
			assert.Equal(t, row.path, r.Path())
			assert.Equal(t, row.path, r.String())
			assert.Equal(t, row.want, r.Args())
			assert.False(t, r.IsZero())
			again, err := rawpath.Parse(row.path, row.want)
			require.NoError(t, err)
			assert.Equal(t, r, again, "equal requests ask for the same")
		})
	}
	assert.True(t, rawpath.Request{}.IsZero())
	assert.Nil(t, rawpath.Request{}.Args())
}

func TestParseRefuses(t *testing.T) {
	many := map[string]string{}
	for i := range rawpath.MaxArgs + 1 {
		many[strings.Repeat("a", i+1)] = "x"
	}
	for name, row := range map[string]struct {
		text string
		args map[string]string
		err  error
	}{
		"nothing":                  {"", nil, rawpath.ErrEmpty},
		"only a query":             {"?a=b", nil, rawpath.ErrEmpty},
		"a leading slash":          {"/kv/a", nil, rawpath.ErrSegment},
		"a trailing slash":         {"kv/a/", nil, rawpath.ErrSegment},
		"an empty segment":         {"kv//a", nil, rawpath.ErrSegment},
		"a dot":                    {"kv/./a", nil, rawpath.ErrSegment},
		"two dots":                 {"kv/../a", nil, rawpath.ErrSegment},
		"two dots at the end":      {"kv/..", nil, rawpath.ErrSegment},
		"something escaped":        {"kv/%2e%2e/a", nil, rawpath.ErrCharacter},
		"a backslash":              {`kv\a`, nil, rawpath.ErrCharacter},
		"a control byte":           {"kv/a\x00", nil, rawpath.ErrCharacter},
		"a line break":             {"kv/a\nb", nil, rawpath.ErrCharacter},
		"a delete":                 {"kv/a\x7f", nil, rawpath.ErrCharacter},
		"a space":                  {"kv/a b", nil, rawpath.ErrCharacter},
		"a fragment":               {"kv/a#b", nil, rawpath.ErrCharacter},
		"a policy's plus":          {"kv/+/b", nil, rawpath.ErrCharacter},
		"a star":                   {"kv/*", nil, rawpath.ErrCharacter},
		"another script":           {"kv/ä", nil, rawpath.ErrCharacter},
		"no UTF-8":                 {"kv/\xff", nil, rawpath.ErrCharacter},
		"sys":                      {"sys/policy/a", nil, rawpath.ErrReserved},
		"SYS":                      {"SYS/policy/a", nil, rawpath.ErrReserved},
		"auth":                     {"auth/token/create", nil, rawpath.ErrReserved},
		"cubbyhole":                {"cubbyhole/a", nil, rawpath.ErrReserved},
		"identity":                 {"identity/entity", nil, rawpath.ErrReserved},
		"auth alone":               {"auth", nil, rawpath.ErrReserved},
		"a second question mark":   {"kv/a?b=c?d=e", nil, rawpath.ErrQuery},
		"a query without a value":  {"kv/a?b", nil, rawpath.ErrQuery},
		"a query without anything": {"kv/a?", nil, rawpath.ErrQuery},
		"a query with an escape":   {"kv/a?b=%20", nil, rawpath.ErrQuery},
		"a query twice":            {"kv/a?b=c&b=d", nil, rawpath.ErrQuery},
		"a query and a field":      {"kv/a?b=c", map[string]string{"b": "c"}, rawpath.ErrQuery},
		"a name of a query":        {"kv/a?B=c", nil, rawpath.ErrArgument},
		"a field without a name":   {"kv/a", map[string]string{"": "x"}, rawpath.ErrArgument},
		"a field's name":           {"kv/a", map[string]string{"a-b": "x"}, rawpath.ErrArgument},
		"a field's line break":     {"kv/a", map[string]string{"a": "x\n"}, rawpath.ErrArgument},
		"a field's length":         {"kv/a", map[string]string{"a": strings.Repeat("x", rawpath.MaxArg+1)}, rawpath.ErrArgument},
		"too many fields":          {"kv/a", many, rawpath.ErrManyFields},
		"too long a path":          {"kv/" + strings.Repeat("x", rawpath.MaxPath), nil, rawpath.ErrTooLong},
		"too many segments":        {"kv" + strings.Repeat("/x", rawpath.MaxSegments), nil, rawpath.ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := rawpath.Parse(row.text, row.args)
			require.ErrorIs(t, err, row.err)
			assert.Zero(t, r)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestWith(t *testing.T) {
	r, err := must(t, "kv/a?version=3").With(map[string]string{"x": "y"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"version": "3", "x": "y"}, r.Args())
	_, err = r.With(map[string]string{"x": "z"})
	require.ErrorIs(t, err, rawpath.ErrTwice)
	_, err = r.With(map[string]string{"X": "z"})
	require.ErrorIs(t, err, rawpath.ErrArgument)
	early, err := rawpath.Request{}.With(map[string]string{"x": "y"})
	require.NoError(t, err)
	assert.True(t, early.IsZero(), "fields without a path ask for nothing")
	late, err := rawpath.Parse("kv/a?version=3", early.Args())
	require.NoError(t, err)
	assert.Equal(t, r, late)
}

// Every byte is either a character of the grammar or refused.
func TestTheAlphabet(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-~@:="
	for b := range 256 {
		text := "kv/a" + string([]byte{byte(b)}) + "b"
		_, err := rawpath.Parse(text, nil)
		assert.Equal(t, strings.ContainsRune(alphabet, rune(b)) || b == '/', err == nil, "%q: %v", text, err)
	}
}

func TestPatterns(t *testing.T) {
	sales, tenant := secretref.MustParseScope("prod/acme/sales"), secretref.MustParseScope("prod/acme/_")
	hostile := secretref.MustParseScope("prod/auth/sys")
	for name, row := range map[string]struct {
		pattern string
		scope   secretref.Scope
		role    string
		is, not []string
	}{
		"a literal": {"pki/cert/ca", sales, "r", []string{"pki/cert/ca"}, []string{"pki/cert/cb", "pki/cert", "pki/cert/ca/x", "PKI/cert/ca"}},
		"the scope's name": {
			"database/creds/{role}", sales, "gtc.prod.acme.sales", []string{"database/creds/gtc.prod.acme.sales"},
			[]string{"database/creds/gtc.prod.acme", "database/creds/gtc.prod.acme.sales.x", "database/creds/{role}"},
		},
		"its parts": {
			"{env}/{tenant}/{team}/kv/*", sales, "r", []string{"prod/acme/sales/kv/a", "prod/acme/sales/kv/..a"},
			[]string{"prod/acme/support/kv/a", "prod/acme/sales/kv/a/b", "prod/acme/sales/kv", "prod/acme/sales/kv/auth", "prod/acme/sales/kv/Sys"},
		},
		"a whole tenant":                 {"kv/{team}", tenant, "r", []string{"kv/_"}, []string{"kv/sales"}},
		"Vault's own, by its namespace":  {"space/sys/health", sales, "r", []string{"space/sys/health"}, nil},
		"Vault's own, by a scope's name": {"space/{tenant}/{team}/x", hostile, "r", nil, []string{"space/auth/sys/x"}},
		"no scope":                       {"kv/*", secretref.Scope{}, "r", nil, []string{"kv/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := rawpath.ParsePattern(row.pattern)
			require.NoError(t, err)
			assert.Equal(t, row.pattern, p.String())
			for _, text := range slices.Concat(row.is, row.not) {
				r, err := rawpath.Parse(text, nil)
				if err != nil {
					assert.NotContains(t, row.is, text)
					continue
				}
				assert.Equal(t, slices.Contains(row.is, text), p.Matches(r, row.scope, row.role), "%s", text)
			}
			assert.False(t, p.Matches(rawpath.Request{}, row.scope, row.role))
		})
	}
	assert.False(t, rawpath.Pattern{}.Matches(must(t, "kv/a"), sales, "r"), "the zero pattern matches nothing")
	assert.True(t, rawpath.Pattern{}.IsZero())
}

func TestParsePatternRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"":                         rawpath.ErrEmpty,
		"*":                        rawpath.ErrPattern,
		"*/creds/{role}":           rawpath.ErrPattern,
		"db/creds/{tenant}-{team}": rawpath.ErrPattern,
		"db/creds/{role}-ro":       rawpath.ErrPattern,
		"db/creds/{name}":          rawpath.ErrPattern,
		"db/creds/{role":           rawpath.ErrPattern,
		"db/creds/a*":              rawpath.ErrCharacter,
		"db/creds/**":              rawpath.ErrCharacter,
		"db/creds/+":               rawpath.ErrCharacter,
		"db/../creds":              rawpath.ErrSegment,
		"/db/creds":                rawpath.ErrSegment,
		"sys/policy/{role}":        rawpath.ErrReserved,
		"auth/*":                   rawpath.ErrReserved,
		"db/creds?x=y":             rawpath.ErrPattern,
	} {
		p, err := rawpath.ParsePattern(text)
		require.ErrorIs(t, err, want, "%q", text)
		assert.True(t, p.IsZero())
	}
	_, err := rawpath.ParsePattern("db/creds/{tenant}-{team}")
	assert.ErrorContains(t, err, `in "{tenant}-{team}": a segment is a literal, * or one of {env} {tenant} {team} {role}, each by itself`)
}

// FuzzParse holds what the rest of the provider counts on: what is taken needs no escaping, walks nowhere, and says the same again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"database/creds/gtc.prod.acme.sales", "kv/a?version=3", "kv/%2e%2e/a", "sys/a", "a//b", "../a", "a/..", `a\b`, "a?b=c?d", "*/a", "a/{role}",
	} {
		f.Add(seed, "name", "value")
	}
	f.Fuzz(func(t *testing.T, text, name, value string) {
		args := map[string]string{name: value}
		r, err := rawpath.Parse(text, args)
		if err != nil {
			assert.Zero(t, r)
			return
		}
		assert.True(t, maps.Equal(args, map[string]string{name: value}), "the caller's map is left alone")
		path, _, _ := strings.Cut(text, "?")
		assert.Equal(t, path, r.Path())
		assert.False(t, strings.ContainsAny(r.Path(), "%\\?#*+ \x00\n{}"), "%q", r.Path())
		for segment := range strings.SplitSeq(r.Path(), "/") {
			assert.NotContains(t, []string{"", ".", ".."}, segment)
		}
		first, _, _ := strings.Cut(strings.ToLower(r.Path()), "/")
		assert.NotContains(t, []string{"sys", "auth", "cubbyhole", "identity"}, first)
		again, err := rawpath.Parse(r.Path(), r.Args())
		require.NoError(t, err)
		assert.Equal(t, r, again)
		p, err := rawpath.ParsePattern(r.Path())
		require.NoError(t, err, "a path is a pattern")
		assert.True(t, p.Matches(r, secretref.MustParseScope("prod/acme/sales"), "role"))
	})
}

func must(t *testing.T, text string) rawpath.Request {
	t.Helper()
	r, err := rawpath.Parse(text, nil)
	require.NoError(t, err)
	return r
}
