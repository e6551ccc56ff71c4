package secretref_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestParseAcceptsWhatGreenticWrites(t *testing.T) {
	for text, want := range map[string]string{ // the text, and what it prints as
		"secret://prod/acme/sales/messaging-slack/slack_bot_token":      "",
		"secret://prod/acme/_/openai/api_key":                           "",
		"secret://dev/acme/_/configs/db-password@42":                    "",
		"secret://dev/acme/_/greentic.secrets.fixture/api_key":          "",
		"secret://prod/acme/_/events/nats-core__credentials":            "",
		"secret://prod/acme/_/store/repo__core-repo__api-key@999999999": "",
		"secret://demo/3point/_/messaging-telegram/telegram_bot_token":  "",
		"secret://e/t/m/c/n":                                                   "",
		"secret://e/t/m/c/__greentic_deleted":                                  "",
		"secret://e/t/m/.c./-n-":                                               "",
		"secret://e/t/m/c/n.":                                                  "",
		"secret://e/t/m/c/a..b":                                                "",
		"secret://e/t/__/c/n":                                                  "",
		"secrets://prod/tenant/payments/configs/api-key":                       "secret://prod/tenant/payments/configs/api-key",
		"secret://dev/demo/default/messaging-slack/api_key":                    "secret://dev/demo/_/messaging-slack/api_key",
		"secrets://dev/demo/DeFaUlT/messaging-slack/api_key@1":                 "secret://dev/demo/_/messaging-slack/api_key@1",
		"secret://default/default/team/default/default":                        "",
		"secret://" + strings.Repeat(strings.Repeat("a", 128)+"/", 4) + "b":    "",
		"secret://e/t/m/" + strings.Repeat("c", 128) + "/n":                    "",
		"secret://e/t/m/c/" + strings.Repeat("n", secretref.MaxSegment) + "@1": "",
	} {
		ref, err := secretref.Parse(text)
		require.NoError(t, err, text)
		if want == "" {
			want = text
		}
		assert.Equal(t, want, ref.String())
		assert.False(t, ref.IsZero())
		again, err := secretref.Parse(ref.String())
		require.NoError(t, err)
		assert.Equal(t, ref, again, "a reference reads back from its own text")
		store, err := secretref.Parse(ref.StoreURI())
		require.NoError(t, err)
		assert.Equal(t, ref.Newest(), store, "a store URI names the newest version")
	}
}

// Each row is the valid reference with one mutation, and the one rule that it breaks.
func TestParseNamesTheBrokenRule(t *testing.T) {
	for text, want := range map[string]error{
		"":                                                     secretref.ErrScheme,
		"prod/acme/sales/slack/token":                          secretref.ErrScheme,
		"Secret://prod/acme/sales/slack/t":                     secretref.ErrScheme,
		"SECRETS://prod/acme/sales/slack/t":                    secretref.ErrScheme,
		" secret://prod/acme/sales/slack/t":                    secretref.ErrScheme,
		"file://prod/acme/sales/slack/t":                       secretref.ErrScheme,
		"secret:/prod/acme/sales/slack/t":                      secretref.ErrScheme,
		"runtime://prod/acme/sales/slack/t":                    secretref.ErrScheme,
		"secret://":                                            secretref.ErrSegments,
		"secret://prod/acme/sales/slack":                       secretref.ErrSegments,
		"secret://prod/acme/sales/slack/t/":                    secretref.ErrSegments,
		"secret://prod/acme/sales/slack/t/x":                   secretref.ErrSegments,
		"secret://a/b/c/d/e/f/g/h/i":                           secretref.ErrSegments,
		"secret:///acme/sales/slack/t":                         secretref.ErrEmpty,
		"secret://prod//sales/slack/t":                         secretref.ErrEmpty,
		"secret://prod/acme//slack/t":                          secretref.ErrEmpty,
		"secret://prod/acme/sales//t":                          secretref.ErrEmpty,
		"secret://prod/acme/sales/slack/":                      secretref.ErrEmpty,
		"secret://prod/acme/sales/slack/@1":                    secretref.ErrEmpty,
		"secret://prod/acme/sales/slack/ t":                    secretref.ErrCharacter,
		"secret://prod/acme/sales/slack/t ":                    secretref.ErrCharacter,
		"secret://prod/acme/Sales/slack/t":                     secretref.ErrCharacter,
		"secret://prod/acme/*/slack/t":                         secretref.ErrCharacter,
		"secret://prod/acme/sales/slack/t%20":                  secretref.ErrCharacter,
		"secret://prod/acme/sales/slack/t?v":                   secretref.ErrCharacter,
		`secret://prod/acme/sales/slack/t\x`:                   secretref.ErrCharacter,
		"secret://prod/acme/sales/slack/tä":                    secretref.ErrCharacter,
		"secret://prod/acme/s@1/slack/t":                       secretref.ErrCharacter,
		"secret://prod/acme/./slack/t":                         secretref.ErrDot,
		"secret://./acme/sales/slack/t":                        secretref.ErrDot,
		"secret://prod/acme/sales/slack/.":                     secretref.ErrDot,
		"secret://prod/acme/sales/slack/.@1":                   secretref.ErrDot,
		"secret://prod/../sales/slack/t":                       secretref.ErrDotDot,
		"secret://prod/acme/../slack/t":                        secretref.ErrDotDot,
		"secret://prod/acme/sales/..x/t":                       secretref.ErrDotDot,
		"secret://prod/acme/sales/slack/...":                   secretref.ErrDotDot,
		"secret://_/acme/sales/slack/t":                        secretref.ErrUnderscore,
		"secret://prod/_/sales/slack/t":                        secretref.ErrUnderscore,
		"secret://prod/acme/sales/_/t":                         secretref.ErrUnderscore,
		"secret://prod/acme/sales/slack/_":                     secretref.ErrUnderscore,
		"secret://prod/acme/sales/slack/_@7":                   secretref.ErrUnderscore,
		"secret://prod/acme/sales/slack/t@":                    secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@0":                   secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@01":                  secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@-1":                  secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@v1":                  secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@1 ":                  secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@1@":                  secretref.ErrVersion,
		"secret://prod/acme/sales/slack/@@":                    secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@1000000000":          secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@latest":              secretref.ErrVersion,
		"secret://prod/acme/sales/slack/t@٣":                   secretref.ErrVersion,
		"secret://prod/acme/sales/slack/" + long(129):          secretref.ErrTooLong,
		"secret://prod/acme/sales/" + long(129) + "/t":         secretref.ErrTooLong,
		"secret://prod/acme/" + long(129) + "/slack/t":         secretref.ErrTooLong,
		"secret://prod/" + long(129) + "/sales/slack/t":        secretref.ErrTooLong,
		"secret://" + long(129) + "/acme/sales/slack/t":        secretref.ErrTooLong,
		"secret://prod/acme/sales/slack/" + long(1<<20) + "@1": secretref.ErrTooLong,
	} {
		ref, err := secretref.Parse(text)
		require.Error(t, err, text)
		require.ErrorIs(t, err, want, text)
		assert.Equal(t, 1, rulesBroken(err), "exactly one rule is named: %s", err)
		assert.True(t, ref.IsZero())
		assert.Less(t, len(err.Error()), 600, "a long text is not repeated whole")
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestParseSaysWhichSegment(t *testing.T) {
	for text, want := range map[string]string{
		"secret://Prod/acme/sales/slack/t":   `reference "secret://Prod/acme/sales/slack/t": env: `,
		"secret://prod/Acme/sales/slack/t":   `: tenant: `,
		"secret://prod/acme/Sales/slack/t":   `: team: `,
		"secret://prod/acme/sales/Slack/t":   `: category: `,
		"secret://prod/acme/sales/slack/T":   `: name: `,
		"secret://prod/acme/sales/slack/t@x": `: version: `,
		"secret://prod/acme/sales/slack/\n":  `"secret://prod/acme/sales/slack/\n"`,
	} {
		_, err := secretref.Parse(text)
		require.ErrorContains(t, err, want)
	}
}

// TestEveryByteInEveryPlace proves the alphabet instead of sampling it: each of the 256 bytes at the start, in the middle and at the end
// of each segment and of the version.
func TestEveryByteInEveryPlace(t *testing.T) {
	segments := []string{"env", "ten", "tea", "cat", "nam"}
	for place := range segments {
		for _, at := range []int{0, 1, 2} {
			for b := range 256 {
				parts := append([]string(nil), segments...)
				parts[place] = replace(parts[place], at, byte(b))
				_, err := secretref.Parse("secret://" + strings.Join(parts, "/"))
				legal := b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-'
				switch {
				case legal:
					assert.NoError(t, err, "%q", parts)
				case b == '/':
					assert.ErrorIs(t, err, secretref.ErrSegments, "%q", parts)
				case b == '@' && place == 4: // what follows is no version, or there is no name before it
					assert.ErrorIs(t, err, secretref.ErrVersion, "%q", parts)
				default:
					assert.ErrorIs(t, err, secretref.ErrCharacter, "%q", parts)
				}
			}
		}
	}
}

// A segment of one byte is where ".", "_" and white space are decided.
func TestEveryByteAlone(t *testing.T) {
	for place := range 5 {
		for b := range 256 {
			parts := []string{"e", "t", "m", "c", "n"}
			parts[place] = string([]byte{byte(b)})
			_, err := secretref.Parse("secret://" + strings.Join(parts, "/"))
			switch {
			case b == '.':
				assert.ErrorIs(t, err, secretref.ErrDot)
			case b == '_' && place != 2:
				assert.ErrorIs(t, err, secretref.ErrUnderscore)
			case b == '/':
				assert.ErrorIs(t, err, secretref.ErrSegments)
			case b == '@' && place == 4:
				assert.ErrorIs(t, err, secretref.ErrVersion)
			case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '-', b == '_':
				assert.NoError(t, err, "%q", parts)
			default:
				assert.ErrorIs(t, err, secretref.ErrCharacter, "%q", parts)
			}
		}
	}
}

func TestEveryByteInAVersion(t *testing.T) {
	for at := range 3 {
		for b := range 256 {
			text := "secret://e/t/m/c/n@" + replace("123", at, byte(b))
			ref, err := secretref.Parse(text)
			switch {
			case b >= '1' && b <= '9', b == '0' && at > 0:
				require.NoError(t, err, text)
				assert.Equal(t, strings.TrimPrefix(text, "secret://e/t/m/c/n@"), strings.TrimPrefix(ref.String(), ref.Newest().String()+"@"))
			case b == '/':
				assert.ErrorIs(t, err, secretref.ErrSegments, "%q", text)
			default:
				assert.ErrorIs(t, err, secretref.ErrVersion, "%q", text)
			}
		}
	}
}

// TestDefaultFoldsByASCIICaseOnly: no other letter of Unicode may turn a team into the whole tenant.
func TestDefaultFoldsByASCIICaseOnly(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) == r {
			continue // no case, nothing to fold with
		}
		for at := range len("default") {
			team := "default"[:at] + string(r) + "default"[at+1:]
			if _, err := secretref.ParseScope("e/t/" + team); err == nil {
				t.Fatalf("team %q was accepted", team)
			}
		}
	}
}

func TestReferenceParts(t *testing.T) {
	ref := secretref.MustParse("secret://prod/acme/sales/slack/token@7")
	assert.Equal(t, secretref.MustParseScope("prod/acme/sales"), ref.Scope())
	assert.Equal(t, "slack", ref.Category())
	assert.Equal(t, "token", ref.Name())
	assert.Equal(t, 7, ref.Version())
	assert.Equal(t, "secrets://prod/acme/sales/slack/token", ref.StoreURI())
	assert.Equal(t, "prod/acme/sales/slack/token", ref.Key())
	assert.Equal(t, "sales/slack/token", ref.Path())
	assert.Equal(t, secretref.MustParse("secret://prod/acme/sales/slack/token"), ref.Newest())
	assert.Equal(t, secretref.MustParse("secret://prod/acme/_/slack/token@7"), ref.WholeTenant())
	assert.Equal(t, "prod", ref.Scope().Env())
	assert.Equal(t, "acme", ref.Scope().Tenant())
	assert.Equal(t, "sales", ref.Scope().Team())
	assert.Equal(t, "prod/acme/_", ref.Scope().WholeTenant().String())
}

func TestZeroValuesNameNothing(t *testing.T) {
	var ref secretref.Reference
	var scope secretref.Scope
	assert.True(t, ref.IsZero())
	assert.True(t, scope.IsZero())
	for _, text := range []string{ref.String(), ref.StoreURI(), ref.Key(), ref.Path(), scope.String(), ref.WholeTenant().String()} {
		assert.Empty(t, text)
	}
	assert.True(t, ref.WholeTenant().IsZero())
	assert.True(t, scope.WholeTenant().IsZero())
	assert.True(t, ref.Newest().IsZero())
	assert.False(t, scope.Grants(ref))
	assert.False(t, scope.Grants(secretref.MustParse("secret://e/t/_/c/n")))
	assert.False(t, secretref.MustParseScope("e/t/m").Grants(ref))
	_, err := scope.Reference("c", "n")
	assert.Error(t, err)
}

func TestParseScope(t *testing.T) {
	for text, want := range map[string]error{
		"prod/acme/sales":                 nil,
		"prod/acme/_":                     nil,
		"prod/acme/DEFAULT":               nil,
		"prod/acme":                       secretref.ErrScope,
		"prod/acme/sales/":                secretref.ErrScope,
		"prod/acme/sales/slack/token":     secretref.ErrScope,
		"":                                secretref.ErrScope,
		"secret://prod/acme/sales/slack":  secretref.ErrScope,
		"//":                              secretref.ErrEmpty,
		"prod/acme/":                      secretref.ErrEmpty,
		"prod/_/sales":                    secretref.ErrUnderscore,
		"_/acme/sales":                    secretref.ErrUnderscore,
		"prod/../sales":                   secretref.ErrDotDot,
		"prod/acme/.":                     secretref.ErrDot,
		"prod/acme/sales\n":               secretref.ErrCharacter,
		" prod/acme/sales":                secretref.ErrCharacter,
		"prod/acme/*":                     secretref.ErrCharacter,
		"prod/acme/sales@1":               secretref.ErrCharacter,
		"prod/" + long(129) + "/sales":    secretref.ErrTooLong,
		"prod/default/" + long(128) + "x": secretref.ErrTooLong,
	} {
		scope, err := secretref.ParseScope(text)
		if want == nil {
			require.NoError(t, err)
			again, err := secretref.ParseScope(scope.String())
			require.NoError(t, err)
			assert.Equal(t, scope, again)
			continue
		}
		require.ErrorIs(t, err, want, text)
		assert.Equal(t, 1, rulesBroken(err))
		assert.True(t, scope.IsZero())
	}
}

// A worker gets its own team's secrets and the tenant's; nothing of another team, tenant or environment.
func TestGrants(t *testing.T) {
	for _, row := range []struct {
		scope, ref string
		granted    bool
	}{
		{"prod/acme/sales", "secret://prod/acme/sales/c/n", true},
		{"prod/acme/sales", "secret://prod/acme/sales/c/n@3", true},
		{"prod/acme/sales", "secret://prod/acme/_/c/n", true},
		{"prod/acme/sales", "secret://prod/acme/default/c/n", true},
		{"prod/acme/sales", "secret://prod/acme/support/c/n", false},
		{"prod/acme/sales", "secret://prod/acme/sales-emea/c/n", false},
		{"prod/acme/sales", "secret://prod/acme/sale/c/n", false},
		{"prod/acme/sales", "secret://prod/other/sales/c/n", false},
		{"prod/acme/sales", "secret://prod/other/_/c/n", false},
		{"prod/acme/sales", "secret://dev/acme/sales/c/n", false},
		{"prod/acme/sales", "secret://dev/acme/_/c/n", false},
		{"prod/acme/_", "secret://prod/acme/_/c/n", true},
		{"prod/acme/_", "secret://prod/acme/sales/c/n", false},
		{"prod/acme/default", "secret://prod/acme/_/c/n", true},
	} {
		scope, err := secretref.ParseScope(row.scope)
		require.NoError(t, err)
		ref, err := secretref.Parse(row.ref)
		require.NoError(t, err)
		assert.Equal(t, row.granted, scope.Grants(ref), "%s, %s", row.scope, row.ref)
	}
}

func TestScopeReference(t *testing.T) {
	scope := secretref.MustParseScope("prod/acme/sales")
	ref, err := scope.Reference("slack", "token@2")
	require.NoError(t, err)
	assert.Equal(t, secretref.MustParse("secret://prod/acme/sales/slack/token@2"), ref)
	for _, bad := range [][2]string{{"slack/x", "token"}, {"slack", "x/token"}, {"", "token"}, {"slack", ".."}} {
		_, err := scope.Reference(bad[0], bad[1])
		assert.Error(t, err, "%q", bad)
	}
}

func TestTextEncodings(t *testing.T) {
	type both struct {
		Ref   secretref.Reference
		Scope secretref.Scope
	}
	in := both{secretref.MustParse("secret://prod/acme/_/slack/token@2"), secretref.MustParseScope("prod/acme/sales")}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Ref":"secret://prod/acme/_/slack/token@2","Scope":"prod/acme/sales"}`, string(text))
	var out both
	require.NoError(t, json.Unmarshal(text, &out))
	assert.Equal(t, in, out)
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"Ref":"secret://prod"}`), &out), secretref.ErrSegments)
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"Scope":"prod"}`), &out), secretref.ErrScope)
}

func TestMustParsePanics(t *testing.T) {
	assert.Panics(t, func() { secretref.MustParse("secret://x") })
	assert.Panics(t, func() { secretref.MustParseScope("x") })
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"secret://prod/acme/sales/slack/token@7", "secrets://dev/demo/DEFAULT/a/b-c", "secret://e/t/_/c/n@", "secret://e/t/m/c/..", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := secretref.Parse(text)
		if err != nil {
			assert.Equal(t, 1, rulesBroken(err))
			assert.True(t, ref.IsZero())
			return
		}
		again, err := secretref.Parse(ref.String())
		require.NoError(t, err)
		assert.Equal(t, ref, again)
		assert.Len(t, strings.Split(ref.Key(), "/"), 5)
		for segment := range strings.SplitSeq(ref.Key(), "/") {
			assert.NotContains(t, []string{"", ".", ".."}, segment)
		}
	})
}

func long(n int) string { return strings.Repeat("x", n) }

func replace(text string, at int, b byte) string { return text[:at] + string([]byte{b}) + text[at+1:] }
