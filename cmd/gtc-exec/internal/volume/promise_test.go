package volume_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const (
	slackRef  = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	openaiRef = "secret://prod/acme/_/openai/api_key"
)

func TestParsePromise(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text, file string
	}{
		{slackRef, "sales/messaging-slack/slack_bot_token"},
		{"secrets" + strings.TrimPrefix(slackRef, "secret"), "sales/messaging-slack/slack_bot_token"},
		{"secret://prod/acme/Default/openai/api_key", "_/openai/api_key"},
		{slackRef + "@3", "sales/messaging-slack/slack_bot_token"},
		{slackRef + "=token", "token"},
		{slackRef + "=a=b", "a=b"},
		{slackRef + "=deep/er/.hidden", "deep/er/.hidden"},
	} {
		promise, err := volume.ParsePromise(row.text, true)
		require.NoError(t, err, row.text)
		assert.Equal(t, row.file, promise.File())
		assert.True(t, promise.Optional())
		reference, _, _ := strings.Cut(row.text, "=")
		want, err := secretref.Parse(reference)
		require.NoError(t, err)
		assert.Equal(t, want, promise.Ref())
	}
}

func TestParsePromiseRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text, message string
		err           error
	}{
		{"", `reference "": a reference starts with`, secretref.ErrScheme},
		{"=token", `reference "": a reference starts with`, secretref.ErrScheme},
		{slackRef + "/more=token", "exactly five segments", secretref.ErrSegments},
		{slackRef + "=", `file "" of ` + slackRef + " is not a relative, clean path", volume.ErrPromise},
		{slackRef + "=.", `file "." of `, volume.ErrPromise},
		{slackRef + "=/token", `file "/token" of `, volume.ErrPromise},
		{slackRef + "=a/../token", "is not a relative, clean path", volume.ErrPromise},
		{slackRef + "=a//token", "is not a relative, clean path", volume.ErrPromise},
		{slackRef + "=a/", "is not a relative, clean path", volume.ErrPromise},
		{slackRef + "=a\nb/", `file "a\nb/" of `, volume.ErrPromise},
		{slackRef + "=..data/token", `starts with "..", which is the driver's own`, volume.ErrPromise},
		{slackRef + "=" + strings.Repeat("a", 256), "has a part longer than 255 bytes", volume.ErrPromise},
		{slackRef + "=" + strings.Repeat("a/", 2048) + "b", "is longer than 4096 bytes", volume.ErrPromise},
	} {
		_, err := volume.ParsePromise(row.text, false)
		require.ErrorIs(t, err, volume.ErrPromise, row.text)
		require.ErrorIs(t, err, row.err, row.text)
		assert.ErrorContains(t, err, row.message)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestLongestPathsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, file := range []string{strings.Repeat("a", 255), strings.Repeat("a/", 2047) + "bc"} {
		promise, err := volume.ParsePromise(slackRef+"="+file, false)
		require.NoError(t, err)
		assert.Equal(t, file, promise.File())
	}
}

func TestNewPromisesNamesEveryConflict(t *testing.T) {
	t.Parallel()
	list := []volume.Promise{
		promise(t, slackRef+"=one"), promise(t, slackRef+"=two"), promise(t, openaiRef+"=one"),
	}
	_, err := volume.NewPromises(list)
	require.ErrorIs(t, err, volume.ErrPromise)
	assert.ErrorContains(t, err, slackRef+" is promised twice")
	assert.ErrorContains(t, err, slackRef+" and "+openaiRef+` are both promised as file "one"`)
}

func TestNewPromisesIsBounded(t *testing.T) {
	t.Parallel()
	var list []volume.Promise
	for i := range volume.MaxPromises {
		list = append(list, promise(t, fmt.Sprintf("secret://prod/acme/_/many/s%d", i)))
	}
	promises, err := volume.NewPromises(list)
	require.NoError(t, err)
	assert.Len(t, promises.All(), volume.MaxPromises)
	assert.True(t, promises.Has(list[7].Ref()))
	assert.False(t, promises.Has(secretref.MustParse(slackRef)))
	_, err = volume.NewPromises(append(list, promise(t, slackRef)))
	require.ErrorIs(t, err, volume.ErrPromise)
	assert.ErrorContains(t, err, "257 secrets, at most 256")
}

func FuzzParsePromise(f *testing.F) {
	for _, seed := range []string{slackRef, slackRef + "=a/b", openaiRef + "@1=x", "=", slackRef + "=..", slackRef + "=a\x00b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := volume.ParsePromise(text, false)
		if err != nil {
			require.ErrorIs(t, err, volume.ErrPromise)
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := volume.ParsePromise(p.Ref().String()+"="+p.File(), false)
		require.NoError(t, err)
		assert.Equal(t, p, again)
		assert.False(t, strings.HasPrefix(p.File(), "/") || strings.HasPrefix(p.File(), ".."))
	})
}

func promise(t *testing.T, text string) volume.Promise {
	t.Helper()
	p, err := volume.ParsePromise(text, false)
	require.NoError(t, err)
	return p
}

// promises is every text as a promise; a text that starts with "?" is optional.
func promises(t *testing.T, texts ...string) volume.Promises {
	t.Helper()
	list := make([]volume.Promise, 0, len(texts))
	for _, text := range texts {
		reference, optional := strings.CutPrefix(text, "?")
		p, err := volume.ParsePromise(reference, optional)
		require.NoError(t, err)
		list = append(list, p)
	}
	all, err := volume.NewPromises(list)
	require.NoError(t, err)
	return all
}
