package faults_test

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

var errKind = errors.New("invalid thing")

func TestNothingWrongIsNoError(t *testing.T) {
	list := faults.Of(errKind)
	list.Add("a", nil)
	assert.Zero(t, list.Len())
	assert.NoError(t, list.Err())
}

func TestAFaultIsItsKindAndItself(t *testing.T) {
	for name, row := range map[string]struct {
		add  func(*faults.List)
		says string
		is   error
	}{
		"an error":           {func(l *faults.List) { l.Add("a[0].b", fs.ErrExist) }, "a[0].b: file already exists", fs.ErrExist},
		"a format":           {func(l *faults.List) { l.Addf("a", "is %d: %w", 7, fs.ErrExist) }, "a: is 7: file already exists", fs.ErrExist},
		"one with its paths": {func(l *faults.List) { l.Add("", fs.ErrExist) }, "file already exists", fs.ErrExist},
		"a fault's fault": {func(l *faults.List) {
			inner := faults.Of(fs.ErrClosed)
			inner.Add("b", fs.ErrExist)
			l.Add("a", inner.Err())
		}, "a: b: file already exists", fs.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			list := faults.Of(errKind)
			row.add(list)
			assert.Equal(t, 1, list.Len())
			err := list.Err()
			require.ErrorIs(t, err, errKind)
			require.ErrorIs(t, err, row.is)
			require.NotErrorIs(t, err, fs.ErrInvalid)
			assert.EqualError(t, err, row.says)
		})
	}
}

func TestFaultsAreToldInOrderUpToABound(t *testing.T) {
	for _, row := range []struct {
		added, lines int
		last         string
	}{
		{1, 1, "f0: wrong"},
		{faults.Most, faults.Most, "f99: wrong"},
		{faults.Most + 1, faults.Most + 1, "invalid thing: and 1 faults more"},
		{5000, faults.Most + 1, "invalid thing: and 4900 faults more"},
	} {
		t.Run(strconv.Itoa(row.added), func(t *testing.T) {
			list := faults.Of(errKind)
			for i := range row.added {
				list.Addf("f"+strconv.Itoa(i), "wrong")
			}
			assert.Equal(t, row.added, list.Len())
			err := list.Err()
			require.ErrorIs(t, err, errKind)
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, row.lines)
			assert.Equal(t, "f0: wrong", lines[0])
			assert.Equal(t, row.last, lines[row.lines-1])

			list.Addf("later", "wrong")
			assert.Equal(t, row.lines, len(strings.Split(err.Error(), "\n")), "an error that was given out does not change")
		})
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   `""`,
		"plain":                              `"plain"`,
		"a\nb\t\x00\x1b[31m":                 `"a\nb\t\x00\x1b[31m"`,
		`say "hi"`:                           `"say \"hi\""`,
		"\xff":                               `"\xff"`,
		"\u202e\u2028":                       `"\u202e\u2028"`,
		strings.Repeat("x", 200):             `"` + strings.Repeat("x", 200) + `"`,
		strings.Repeat("x", 201):             `"` + strings.Repeat("x", 200) + `"…`,
		strings.Repeat("x", 199) + "ä" + "y": `"` + strings.Repeat("x", 199) + `\xc3"…`,
	} {
		assert.Equal(t, want, faults.Quote(text))
	}
}

// FuzzQuote: one line of printable UTF-8, bounded, that says again what it was made of.
func FuzzQuote(f *testing.F) {
	f.Add("plain")
	f.Add("a\nb\u2028\xff")
	f.Add(strings.Repeat("\x00", 300))
	f.Fuzz(func(t *testing.T, text string) {
		quoted := faults.Quote(text)
		require.True(t, utf8.ValidString(quoted))
		require.False(t, strings.ContainsFunc(quoted, func(r rune) bool { return !strconv.IsPrint(r) }), quoted)
		require.LessOrEqual(t, len(quoted), 200*len(`\U0010ffff`)+len(`""…`))
		again, err := strconv.Unquote(strings.TrimSuffix(quoted, "…"))
		require.NoError(t, err)
		assert.Equal(t, text[:min(len(text), 200)], again)
	})
}

func TestNearest(t *testing.T) {
	known := []string{"objects", "scope", "vault", "ref", "role", "rule"}
	for word, want := range map[string]string{
		"object":                "objects",
		"objectss":              "objects",
		"obejcts":               "objects",
		"OBJECTS":               "objects",
		"objxcys":               "objects",
		"bjexcys":               "",
		"scoep":                 "scope",
		"ruel":                  "rule",
		"re":                    "ref",
		"rxle":                  "role", // as near as "rule", and before it
		"xxf":                   "ref",
		"xxx":                   "",
		"":                      "",
		"x":                     "",
		strings.Repeat("x", 65): "",
	} {
		assert.Equal(t, want, faults.Nearest(word, known), word)
	}
	assert.Empty(t, faults.Nearest("xx", []string{"id"}), "nothing of it is left")
	assert.Equal(t, strings.Repeat("x", 63), faults.Nearest(strings.Repeat("x", 64), []string{strings.Repeat("x", 63)}))
	assert.Empty(t, faults.Nearest(strings.Repeat("x", 65), []string{strings.Repeat("x", 64)}), "too long to be compared")
}
