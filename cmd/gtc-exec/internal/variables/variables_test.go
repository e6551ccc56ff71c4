package variables_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/variables"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const (
	slackRef  = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	openaiRef = "secret://prod/acme/_/openai/api_key"
)

type values map[string]string

func (v values) Value(ref secretref.Reference) (secret.Value, bool) {
	text, found := v[ref.String()]
	return secret.NewString(text), found
}

func (v values) has(ref secretref.Reference) bool {
	_, found := v.Value(ref)
	return found
}

func TestReferencesBecomeValues(t *testing.T) {
	t.Parallel()
	held := values{slackRef: "xoxb=\n", openaiRef: "secret://is/not/looked/at/again"}
	environ := []string{
		"PATH=/bin", "SLACK=" + slackRef, "EMPTY=", "OPENAI=secrets://prod/acme/DEFAULT/openai/api_key", "noequals", "=C:=odd",
		"TEXT=see " + slackRef, "UPPER=SECRET://x", "PATH=twice",
	}
	e, err := variables.Parse(environ, held.has)
	require.NoError(t, err)
	filled, err := e.Fill(held)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"PATH=/bin", "SLACK=xoxb=\n", "EMPTY=", "OPENAI=secret://is/not/looked/at/again", "noequals", "=C:=odd",
		"TEXT=see " + slackRef, "UPPER=SECRET://x", "PATH=twice",
	}, filled)
}

func TestParseNamesEveryFault(t *testing.T) {
	t.Parallel()
	held := values{slackRef: "xoxb"}
	_, err := variables.Parse([]string{
		"OK=" + slackRef, "OPENAI=" + openaiRef, "PINNED=" + slackRef + "@3", "SHORT=secret://prod/acme", "SPACE=" + slackRef + " ",
		"BARE=secrets://", "LINE=secret://a\nb",
	}, held.has)
	require.ErrorIs(t, err, variables.ErrReference)
	for _, message := range []string{
		`"OPENAI": ` + openaiRef + " is not promised, add --secret " + openaiRef,
		`"PINNED": ` + slackRef + "@3 is not promised",
		`"SHORT": reference "secret://prod/acme": a reference has exactly five segments`,
		`"SPACE": reference "` + slackRef + ` ": name: a segment holds only`,
		`"BARE": reference "secrets://"`,
		`"LINE": reference "secret://a\nb"`,
	} {
		assert.ErrorContains(t, err, message)
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 6, "one line for each fault")
	require.ErrorIs(t, err, secretref.ErrSegments)
	require.ErrorIs(t, err, secretref.ErrCharacter)
}

func TestTheVariableOfAnAbsentSecretIsNotSet(t *testing.T) {
	t.Parallel()
	e, err := variables.Parse([]string{"A=1", "SLACK=" + slackRef, "B=2"}, func(secretref.Reference) bool { return true })
	require.NoError(t, err)
	filled, err := e.Fill(values{})
	require.NoError(t, err)
	assert.Equal(t, []string{"A=1", "B=2"}, filled)
}

func TestFillNamesEveryValueThatIsNoVariable(t *testing.T) {
	t.Parallel()
	longest := 32*os.Getpagesize() - len("LONG=") - 1
	for _, row := range []struct {
		name     string
		held     values
		messages []string
	}{
		{"valid", values{slackRef: "xoxb", openaiRef: strings.Repeat("k", longest)}, nil},
		{"NUL", values{slackRef: "xo\x00xb", openaiRef: "sk"}, []string{`"SLACK": ` + slackRef + " holds a NUL byte"}},
		{
			"too long", values{slackRef: "xoxb", openaiRef: strings.Repeat("k", longest+1)},
			[]string{`"LONG": ` + openaiRef + " is longer than the "},
		},
		{"both", values{slackRef: "\x00", openaiRef: strings.Repeat("k", longest+1)}, []string{"SLACK", "LONG"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e, err := variables.Parse([]string{"SLACK=" + slackRef, "LONG=" + openaiRef}, row.held.has)
			require.NoError(t, err)
			filled, err := e.Fill(row.held)
			if row.messages == nil {
				require.NoError(t, err)
				assert.Len(t, filled, 2)
				return
			}
			require.ErrorIs(t, err, variables.ErrValue)
			assert.Nil(t, filled)
			for _, message := range row.messages {
				assert.ErrorContains(t, err, message)
			}
			assert.NotContains(t, err.Error(), "kkk")
		})
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		had  []string
		want []string // nil: refused
	}{
		{"new", []string{"A=1"}, []string{"A=1", "P=/dev/shm/x"}},
		{"the same", []string{"P=/dev/shm/x", "A=1"}, []string{"P=/dev/shm/x", "A=1"}},
		{"another", []string{"P=/tmp/x"}, nil},
		{"empty", []string{"P="}, nil},
		{"the same, then another", []string{"P=/dev/shm/x", "P=/tmp/x"}, nil},
		{"a reference", []string{"P=" + slackRef}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e, err := variables.Parse(row.had, values{slackRef: "x"}.has)
			require.NoError(t, err)
			err = e.Set("P", "/dev/shm/x")
			if row.want == nil {
				require.ErrorIs(t, err, variables.ErrConflict)
				assert.ErrorContains(t, err, `P is not "/dev/shm/x", remove it from the pod`)
				return
			}
			require.NoError(t, err)
			filled, err := e.Fill(values{})
			require.NoError(t, err)
			assert.Equal(t, row.want, filled)
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"A=" + slackRef, "A=secrets://", "A", "=", "A=secret://a/b/c/d/e@0", "A=\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		promised := func(secretref.Reference) bool { return true }
		e, err := variables.Parse([]string{text}, promised)
		if err != nil {
			require.ErrorIs(t, err, variables.ErrReference)
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		filled, err := e.Fill(values{})
		require.NoError(t, err)
		name, value, _ := strings.Cut(text, "=")
		if strings.HasPrefix(value, "secret://") || strings.HasPrefix(value, "secrets://") {
			assert.Empty(t, filled, "the reference of %q does not reach the program", name)
			return
		}
		assert.Equal(t, []string{text}, filled)
	})
}
