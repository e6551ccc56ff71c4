package upstreamreader_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/upstreamreader"
)

const (
	tokenURI = "secrets://prod/acme/sales/messaging-slack/slack_bot_token"
	signURI  = "secrets://prod/acme/sales/messaging-slack/slack_signing_secret"
	otherURI = "secrets://prod/acme/_/openai/api_key"
)

func TestGet(t *testing.T) {
	t.Parallel()
	shared := key(1)
	for _, master := range []string{"", "material"} {
		path := store(t, lines(secrets(
			secret(tokenURI, live(1, sealed(tokenURI, "old", key(9), master)), live(2, sealed(tokenURI, "xoxb", shared, master))),
			secret(signURI, live(1, sealed(signURI, "sign", shared, master))),
			secret(otherURI, live(1, sealed(otherURI, "", key(2), master))),
			secret("secrets://prod/acme/_/openai/gone", live(1, sealed(otherURI, "x", key(2), master)), deleted(2)),
		)))
		s, err := upstreamreader.Open(path, master)
		require.NoError(t, err)
		assert.Equal(t, []string{otherURI, tokenURI, signURI}, s.URIs())
		for uri, want := range map[string]string{tokenURI: "xoxb", signURI: "sign", otherURI: ""} {
			got, err := s.Get(uri)
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		}
		for _, absent := range []string{
			"secrets://prod/acme/_/openai/gone", "secrets://prod/acme/_/openai/none", "secret" + strings.TrimPrefix(tokenURI, "secrets"),
		} {
			_, err = s.Get(absent)
			require.ErrorIs(t, err, upstreamreader.ErrNotFound)
		}
		s, err = upstreamreader.Open(path, master+"?")
		require.NoError(t, err)
		_, err = s.Get(tokenURI)
		require.EqualError(t, err, "mac mismatch", "another master key")
	}
}

// Greentic's reader opens the second secret of a category with the data key of the first.
func TestADataKeyIsRememberedByPlace(t *testing.T) {
	t.Parallel()
	s, err := upstreamreader.Open(store(t, lines(secrets(
		secret(tokenURI, live(1, sealed(tokenURI, "xoxb", key(1), ""))), secret(signURI, live(1, sealed(signURI, "sign", key(2), ""))),
	))), "")
	require.NoError(t, err)
	_, err = s.Get(tokenURI)
	require.NoError(t, err)
	_, err = s.Get(signURI)
	require.EqualError(t, err, "mac mismatch")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	valid := func() map[string]any {
		return secrets(secret(tokenURI, live(1, sealed(tokenURI, "xoxb", key(1), ""))))
	}
	_, err := upstreamreader.Open(store(t, lines(valid())), "")
	require.NoError(t, err, "the baseline is valid")
	first := func(s map[string]any) map[string]any {
		return s["secrets"].([]any)[0].(map[string]any)["versions"].([]any)[0].(map[string]any)
	}
	for name, row := range map[string]struct {
		contents string
		message  string
	}{
		"padded":       {strings.TrimSuffix(lines(valid()), "\n") + "==\n", "illegal base64"},
		"no JSON":      {"SECRETS_BACKEND_STATE=eA\n", "invalid character"},
		"encrypted":    {"# greentic-encrypted: v1\n" + lines(valid()), "is encrypted"},
		"no version":   {changed(valid(), func(s map[string]any) { delete(first(s), "version") }), "no version"},
		"no deleted":   {changed(valid(), func(s map[string]any) { delete(first(s), "deleted") }), "no deleted"},
		"text value":   {changed(valid(), func(s map[string]any) { recordOf(first(s))["value"] = "eA==" }), "cannot unmarshal string"},
		"no value":     {changed(valid(), func(s map[string]any) { delete(recordOf(first(s)), "value") }), "no value"},
		"no byte":      {changed(valid(), func(s map[string]any) { recordOf(first(s))["value"] = []int{256} }), "256 is no byte"},
		"visibility":   {changed(valid(), func(s map[string]any) { metaOf(first(s))["visibility"] = "all" }), `unknown visibility "all"`},
		"content type": {changed(valid(), func(s map[string]any) { delete(metaOf(first(s)), "contentType") }), `unknown contentType ""`},
		"URI":          {changed(valid(), func(s map[string]any) { metaOf(first(s))["uri"] = "secrets://prod/acme/x" }), "is no secrets URI"},
		"capitals":     {changed(valid(), func(s map[string]any) { metaOf(first(s))["uri"] = strings.ToUpper(tokenURI) }), "is no secrets URI"},
	} {
		_, err := upstreamreader.Open(store(t, row.contents), "")
		require.ErrorContains(t, err, row.message, name)
	}
}

func TestAStoreThatWasEncryptedIsRefused(t *testing.T) {
	t.Parallel()
	path := store(t, lines(secrets()))
	require.NoError(t, os.WriteFile(path+".encrypted-marker", nil, 0o600))
	_, err := upstreamreader.Open(path, "")
	require.ErrorContains(t, err, "was encrypted before")
}

func TestCommentsAndOtherLinesAreSkippedAndTheFirstCounts(t *testing.T) {
	t.Parallel()
	one := lines(secrets(secret(tokenURI, live(1, sealed(tokenURI, "one", key(1), "")))))
	s, err := upstreamreader.Open(store(t, "\n# a comment\nOTHER=x\nnothing\n "+one+lines(secrets())), "")
	require.NoError(t, err)
	assert.Equal(t, []string{tokenURI}, s.URIs())
}

func TestOpenCreatesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new")
	s, err := upstreamreader.Open(path, "")
	require.NoError(t, err)
	assert.Empty(t, s.URIs())
	assert.FileExists(t, path)
	_, err = upstreamreader.Open("/proc/new", "")
	require.Error(t, err, "where no file can be created nothing can be read")
}

func TestOpenWaitsForTheLock(t *testing.T) {
	t.Parallel()
	path := store(t, lines(secrets()))
	held, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	opened := make(chan error, 1)
	go func() {
		_, err := upstreamreader.Open(path, "")
		opened <- err
	}()
	select {
	case err := <-opened:
		require.Fail(t, "it was opened under somebody's lock", "%v", err)
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, held.Close(), "which lets the lock go")
	require.NoError(t, <-opened)
}

func store(t *testing.T, contents string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".dev.secrets.env")
	require.NoError(t, os.WriteFile(path, []byte(contents), 0o600))
	return path
}

func lines(state map[string]any) string {
	text, err := json.Marshal(state)
	if err != nil {
		panic(err)
	}
	return "SECRETS_BACKEND_STATE=" + base64.RawStdEncoding.EncodeToString(text) + "\n"
}

func changed(state map[string]any, change func(map[string]any)) string {
	change(state)
	return lines(state)
}

func secrets(list ...any) map[string]any { return map[string]any{"secrets": append([]any{}, list...)} }

func secret(uri string, versions ...any) map[string]any {
	return map[string]any{"key": uri, "versions": versions}
}

func live(version int, record map[string]any) map[string]any {
	return map[string]any{"version": version, "deleted": false, "record": record}
}

func deleted(version int) map[string]any {
	return map[string]any{"version": version, "deleted": true, "record": nil}
}

func recordOf(version map[string]any) map[string]any { return version["record"].(map[string]any) }
func metaOf(version map[string]any) map[string]any   { return recordOf(version)["meta"].(map[string]any) }

func key(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), 32)) }

// sealed is a record as Greentic's writer makes it, with a fixed salt and nonce.
func sealed(uri, value string, dataKey []byte, master string) map[string]any {
	salt, nonce := key(7), key(8)[:12]
	contentKey, err := hkdf.Key(sha256.New, dataKey, salt, uri, 32)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	digest := sha256.Sum256([]byte(master))
	wrapped := make([]byte, len(dataKey))
	for i := range dataKey {
		wrapped[i] = dataKey[i] ^ digest[i]
	}
	return map[string]any{
		"meta":  map[string]any{"uri": uri, "visibility": "team", "contentType": "text"},
		"value": numbers(gcm.Seal(nil, nonce, []byte(value), nil)),
		"envelope": map[string]any{
			"algorithm": "aes256gcm", "nonce": numbers(nonce), "hkdf_salt": numbers(salt), "wrapped_dek": numbers(wrapped),
		},
	}
}

func numbers(b []byte) []int {
	list := make([]int, len(b))
	for i := range b {
		list[i] = int(b[i])
	}
	return list
}
