package object_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var (
	ref     = secretref.MustParse("secret://prod/acme/sales/configs/db")
	created = "2026-01-02T03:04:05.678901234Z"
)

func stored(t *testing.T, data map[string]any, version int, created string) record.Stored {
	t.Helper()
	metadata := map[string]any{"version": version}
	if created != "" {
		metadata["created_time"] = created
	}
	text, err := json.Marshal(map[string]any{"data": data, "metadata": metadata})
	require.NoError(t, err)
	s, err := record.ParseKV(text, ref)
	require.NoError(t, err)
	return s
}

// plain is what was found in a plain KV secret, sealed in a record.
func plain(t *testing.T, fields map[string]any) fetch.Found {
	t.Helper()
	return fetch.Found{Reference: ref, Stored: stored(t, fields, 3, created)}
}

func sealed(t *testing.T, value string) fetch.Found {
	t.Helper()
	fields, err := record.Seal(record.Meta{Ref: ref}, secret.NewString(value), record.NewDataKey(), "vault:v1:x")
	require.NoError(t, err)
	return fetch.Found{Reference: ref, Stored: stored(t, fields, 3, created), Value: secret.NewString(value)}
}

func one(t *testing.T, o params.Object, found fetch.Found) (mount.File, error) {
	t.Helper()
	files, err := object.Files(object.NewVersions(), []params.Object{o}, []fetch.Found{found})
	if err != nil {
		return mount.File{}, err
	}
	require.Len(t, files, 1)
	return files[0], nil
}

func TestContents(t *testing.T) {
	fields := map[string]any{"value": "v", "n": 5432, "o": map[string]any{"a": []int{1}}, "t": true, "e": "", "null": nil, "u": "ü\n"}
	text := `{"value":"v","n":5432,"o":{"a":[1]},"t":true,"e":"","null":null,"u":"ü\n"}`
	for name, row := range map[string]struct{ key, plain, sealed string }{
		"without a key": {"", "v", text},
		"text":          {"value", "v", "v"},
		"a number":      {"n", "5432", "5432"},
		"an object":     {"o", `{"a":[1]}`, `{"a":[1]}`},
		"a boolean":     {"t", "true", "true"},
		"empty":         {"e", "", ""},
		"escapes":       {"u", "ü\n", "ü\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := one(t, params.Object{Ref: ref, Key: row.key}, plain(t, fields))
			require.NoError(t, err)
			assert.Equal(t, row.plain, file.Contents.RevealString())
			assert.Equal(t, "sales/configs/db", file.Path)
			assert.EqualValues(t, 0o644, file.Mode)
			file, err = one(t, params.Object{Ref: ref, Key: row.key, File: "x/y", Mode: 0o400}, sealed(t, text))
			require.NoError(t, err)
			assert.Equal(t, row.sealed, file.Contents.RevealString())
			assert.Equal(t, "x/y", file.Path)
			assert.EqualValues(t, 0o400, file.Mode)
		})
	}
	t.Run("a record of any bytes", func(t *testing.T) {
		for _, value := range []string{"", "\x00\xff", "not JSON", `"quoted"`} {
			file, err := one(t, params.Object{Ref: ref}, sealed(t, value))
			require.NoError(t, err)
			assert.Equal(t, value, file.Contents.RevealString())
		}
	})
}

func TestAKeyThatIsNotThere(t *testing.T) {
	for name, found := range map[string]fetch.Found{
		"in a plain secret":     plain(t, map[string]any{"canary": "canary", "gone": nil}),
		"in a record":           sealed(t, `{"canary":"canary","gone":null}`),
		"in what is no JSON":    sealed(t, "canary"),
		"in what is a list":     sealed(t, `["canary"]`),
		"in what is twice":      sealed(t, `{"canary":"canary","canary":"gone"}`),
		"in what is JSON twice": sealed(t, `{"gone":"canary"}{}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := one(t, params.Object{Ref: ref, Key: "gone"}, found)
			require.ErrorIs(t, err, object.ErrNoKey)
			assert.ErrorContains(t, err, `objects[0].key: "secret://prod/acme/sales/configs/db"`)
			assert.ErrorContains(t, err, `"gone"`)
			assert.NotContains(t, err.Error(), "canary")

			file, err := one(t, params.Object{Ref: ref, Key: "gone", Optional: true}, found)
			require.NoError(t, err)
			assert.Equal(t, object.EmptyFile, file.Path)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := object.Files(object.NewVersions(),
			[]params.Object{{Ref: ref, Key: "a"}, {Ref: ref}, {Ref: ref, Key: "b"}},
			[]fetch.Found{sealed(t, "{}"), sealed(t, "{}"), sealed(t, "{}")})
		assert.ErrorContains(t, err, "objects[0].key")
		assert.ErrorContains(t, err, "objects[2].key")
		assert.NotContains(t, err.Error(), "objects[1]")
	})
}

func TestAbsentSecretsMakeNoFile(t *testing.T) {
	files, err := object.Files(object.NewVersions(),
		[]params.Object{{Ref: ref, Optional: true}, {Ref: ref, File: "there"}},
		[]fetch.Found{{}, plain(t, map[string]any{"value": "v"})})
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, "there", files[0].Path)

	files, err = object.Files(object.NewVersions(), []params.Object{{Ref: ref, Optional: true}}, []fetch.Found{{}})
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, ".greentic-empty", files[0].Path)
	assert.True(t, files[0].Contents.IsEmpty())
	assert.NotEmpty(t, files[0].Version)
}

func TestVersions(t *testing.T) {
	versions := object.NewVersions()
	of := func(v object.Versions, o params.Object, f fetch.Found) string {
		files, err := object.Files(v, []params.Object{o}, []fetch.Found{f})
		require.NoError(t, err)
		return files[0].Version
	}
	base := params.Object{Ref: ref}
	found := plain(t, map[string]any{"value": "canary", "other": "x"})
	first := of(versions, base, found)
	assert.True(t, strings.HasPrefix(first, "3-"+created+"-"), first)
	assert.Equal(t, first, of(object.NewVersions(), base, found), "another process says the same")

	tenants := found
	tenants.Reference = ref.WholeTenant()
	later := found
	later.Stored = stored(t, map[string]any{"value": "canary"}, 4, created)
	for name, changed := range map[string]string{
		"the mode":          of(versions, params.Object{Ref: ref, Mode: 0o400}, found),
		"the file":          of(versions, params.Object{Ref: ref, File: "x"}, found),
		"the key":           of(versions, params.Object{Ref: ref, Key: "other"}, found),
		"what was read":     of(versions, base, tenants),
		"Vault's version":   of(versions, base, later),
		"the time it tells": of(versions, base, fetch.Found{Reference: ref, Stored: stored(t, map[string]any{"value": "canary"}, 3, "2026-01-02T03:04:06Z")}),
	} {
		assert.NotEqual(t, first, changed, name)
	}

	t.Run("without Vault's time", func(t *testing.T) {
		for _, time := range []string{"", "canary"} {
			timeless := func(value string) fetch.Found {
				return fetch.Found{Reference: ref, Stored: stored(t, map[string]any{"value": value}, 3, time)}
			}
			first := of(versions, base, timeless("canary"))
			assert.NotContains(t, first, "canary")
			assert.Equal(t, first, of(versions, base, timeless("canary")))
			assert.NotEqual(t, first, of(versions, base, timeless("other")), "another value")
			assert.NotEqual(t, first, of(object.NewVersions(), base, timeless("canary")), "another key: nothing can be learnt from it")
		}
	})
}
