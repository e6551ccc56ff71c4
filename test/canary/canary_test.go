package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/canary"
)

const secret = "s3cret/va+lue \"with\" édges\n"

func TestFindsEveryForm(t *testing.T) {
	var set canary.Set
	require.NoError(t, set.Add("value", secret))
	quoted, err := json.Marshal(map[string]string{"a": secret})
	require.NoError(t, err)
	texts := map[string]string{
		"plain": "x" + secret + "y",
		"hex":   hex.EncodeToString([]byte("a" + secret + "b")),
		"query": url.Values{"q": {secret}}.Encode(),
		"path":  "/v1/" + url.PathEscape(secret),
		"json":  string(quoted),
	}
	for shift := range 6 {
		before := strings.Repeat("z", shift)
		texts["base64 after "+before] = base64.StdEncoding.EncodeToString([]byte(before + secret + "tail"))
		texts["base64url at the end after "+before] = base64.URLEncoding.EncodeToString([]byte(before + secret))
	}
	for name, text := range texts {
		assert.NotEmpty(t, set.Find([]byte(text)), name)
	}
	assert.Empty(t, set.Find([]byte("s3cret/va+lue")), "half a secret is none")
}

func TestShortSecretsAreRefused(t *testing.T) {
	var set canary.Set
	assert.ErrorContains(t, set.Add("pin", "1234567"), "7 bytes")
}

func TestTogether(t *testing.T) {
	var one, two canary.Set
	require.NoError(t, one.Add("one", "the first value"))
	require.NoError(t, two.Add("two", "the first verse"))
	require.NoError(t, two.Add("two", "another"+secret))
	assert.Empty(t, canary.Set{}.Find([]byte(secret)), "the zero value finds nothing")
	assert.Empty(t, one.Find([]byte("the first verse")))
	one.AddAll(two)
	assert.Equal(t, []string{"one", "two"}, one.Names())
	found := one.Find([]byte("the first verse, the first verse and the first value"))
	require.Len(t, found, 2, "each needle once")
	assert.Equal(t, []string{"two plain", "one plain"}, []string{found[0].Name + " " + found[0].Form, found[1].Name + " " + found[1].Form})
}

func TestFindsAcrossChunksAndFiles(t *testing.T) {
	var set canary.Set
	require.NoError(t, set.Add("value", secret))
	for _, at := range []int{0, 1<<20 - 5, 1<<20 + 3, 3<<20 - 1} {
		text := append(bytes.Repeat([]byte("."), at), secret...)
		found, err := set.FindIn(bytes.NewReader(append(text, "tail"...)))
		require.NoError(t, err)
		assert.NotEmpty(t, found, "at %d", at)
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "b", "log"), []byte("token="+secret), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clean"), []byte("nothing"), 0o600))
	places, files, err := set.FindUnder(dir)
	require.NoError(t, err)
	assert.Equal(t, 2, files)
	require.NotEmpty(t, places)
	assert.Contains(t, places[0].String(), "value in ")
	assert.NotContains(t, places[0].String(), secret)
}
