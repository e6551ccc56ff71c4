package record_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const validMetadata = `{"created_time":"2026-05-01T10:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":4}`

var validRef = secretref.MustParse("secret://prod/acme/_/configs/db")

func parse(data string) (record.Stored, error) {
	text := []byte(`{"data":` + data + `,"metadata":` + validMetadata + `}`)
	defer clear(text) // whoever has read it wipes it
	return record.ParseKV(text, validRef)
}

func TestPlainFields(t *testing.T) {
	stored, err := parse(`{"value":"x\ny","empty":"","number":12345678901234567890,"float":1e3,"yes":true,"map":{"a": [1]},"list":["a"],"null":null,` +
		`"Value":"other","__greentic_deleted":false}`)
	require.NoError(t, err)
	_, isRecord := stored.Record()
	assert.False(t, isRecord)
	for name, want := range map[string]string{
		"value": "x\ny", "empty": "", "number": "12345678901234567890", "float": "1e3", "yes": "true", "map": `{"a": [1]}`, "list": `["a"]`,
		"Value": "other",
	} {
		got, ok := stored.Field(name)
		require.True(t, ok, name)
		assert.Equal(t, want, got.RevealString())
	}
	for _, name := range []string{"null", "absent", "VALUE", ""} {
		got, ok := stored.Field(name)
		assert.False(t, ok, name)
		assert.True(t, got.IsEmpty())
	}
	got, _ := stored.Field("map")
	got.Wipe()
	got, ok := stored.Field("map")
	assert.True(t, ok)
	assert.Equal(t, `{"a": [1]}`, got.RevealString(), "each caller has a copy of its own")
	version, created := stored.Version()
	assert.Equal(t, 4, version)
	assert.Equal(t, "2026-05-01T10:00:00Z", created)
}

func TestStoredIsNotPrinted(t *testing.T) {
	stored, err := parse(`{"value":"canary","other":{"a":"canary"}}`)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, text := range []string{fmt.Sprintf(verb, stored), fmt.Sprintf(verb, &stored)} {
			assert.NotContains(t, text, "canary")
			assert.NotContains(t, text, "63616e617279")
			assert.NotContains(t, text, "99 97 110")
		}
	}
	text, err := json.Marshal(map[string]any{"stored": stored})
	require.NoError(t, err)
	assert.NotContains(t, string(text), "canary")
}

// A field that happens to be named "record" is a record only if it is a text, as Greentic's reader has it.
func TestAFieldNamedRecord(t *testing.T) {
	stored, err := parse(`{"record":{"host":"db"},"value":"x"}`)
	require.NoError(t, err)
	_, isRecord := stored.Record()
	assert.False(t, isRecord)
	got, ok := stored.Field("record")
	assert.True(t, ok)
	assert.JSONEq(t, `{"host":"db"}`, got.RevealString())
	_, err = parse(`{"record":"not base64!","value":"x"}`)
	require.ErrorIs(t, err, record.ErrCorrupt)
}

func TestDeletedIsNotFound(t *testing.T) {
	const deleted = `{"created_time":"2026-05-01T10:00:00Z","deletion_time":"2026-05-02T10:00:00Z","destroyed":false,"version":4}`
	for name, text := range map[string]string{
		"tombstone":               `{"data":{"__greentic_deleted":true},"metadata":` + validMetadata + `}`,
		"tombstone over a record": `{"data":{"__greentic_deleted":true,"record":"x","value":"y"},"metadata":` + validMetadata + `}`,
		"deleted":                 `{"data":null,"metadata":` + deleted + `}`,
		"deleted, no data":        `{"metadata":` + deleted + `}`,
		"destroyed":               `{"data":null,"metadata":{"version":4,"destroyed":true}}`,
		"destroyed beside data":   `{"data":{"value":"x"},"metadata":{"version":4,"destroyed":true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			stored, err := record.ParseKV([]byte(text), validRef)
			require.ErrorIs(t, err, record.ErrNotFound)
			assert.NotErrorIs(t, err, record.ErrCorrupt)
			assert.ErrorContains(t, err, "version 4")
			assert.Equal(t, record.Stored{}, stored)
		})
	}
	stored, err := record.ParseKV([]byte(`{"data":{"value":"x"},"metadata":`+deleted+`}`), validRef)
	require.NoError(t, err, "Vault sends data of a version whose deletion (delete_version_after) is still to come")
	_, ok := stored.Field("value")
	assert.True(t, ok)
}

// Each row is an answer that no KV v2 engine gives: an answer in order with one mutation.
func TestParseKVRefusesAnswers(t *testing.T) {
	valid := `{"data":{"value":"canary"},"metadata":` + validMetadata + `}`
	for name, row := range map[string]struct{ old, new, text string }{
		"empty":                    {valid, ``, "not one JSON object"},
		"null":                     {valid, `null`, "not one JSON object"},
		"no object":                {valid, `[]`, "not one JSON object"},
		"cut short":                {`}}`, `}`, ""},
		"KV version 1":             {valid, `{"value":"canary"}`, "metadata: is missing"},
		"nothing":                  {valid, `{}`, "metadata: is missing"},
		"metadata null":            {validMetadata, `null`, "metadata: is missing"},
		"metadata a text":          {validMetadata, `"canary"`, "metadata: is of another type"},
		"metadata in another case": {`"metadata"`, `"Metadata"`, "metadata: is missing"},
		"metadata twice":           {`"data":`, `"metadata":{},"data":`, "stands twice"},
		"no version":               {`,"version":4`, ``, "metadata.version: is missing"},
		"version 0":                {`"version":4`, `"version":0`, "metadata.version: 0 is no version"},
		"version -1":               {`"version":4`, `"version":-1`, "metadata.version: -1 is no version"},
		"version a text":           {`"version":4`, `"version":"4"`, "metadata.version: is of another type"},
		"version in part":          {`"version":4`, `"version":4.5`, "metadata.version: is of another type"},
		"version beyond all":       {`"version":4`, `"version":99999999999999999999`, "metadata.version: is of another type"},
		"created a number":         {`"2026-05-01T10:00:00Z"`, `1`, "metadata.created_time: is of another type"},
		"destroyed a text":         {`"destroyed":false`, `"destroyed":"no"`, "metadata.destroyed: is of another type"},
		"data a text":              {`{"value":"canary"}`, `"canary"`, "data: is of another type"},
		"data a list":              {`{"value":"canary"}`, `["canary"]`, "data: is of another type"},
		"a field twice":            {`{"value":"canary"}`, `{"value":"canary","value":"canary"}`, "data: a field stands twice"},
		"data twice":               {`"data":`, `"data":null,"data":`, "stands twice"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, row.old, row.new, 1)
			require.NotEqual(t, valid, text)
			stored, err := record.ParseKV([]byte(text), validRef)
			require.ErrorIs(t, err, record.ErrAnswer)
			assert.NotErrorIs(t, err, record.ErrNotFound)
			assert.NotErrorIs(t, err, record.ErrCorrupt)
			assert.ErrorContains(t, err, row.text)
			assert.NotContains(t, err.Error(), "canary")
			assert.Equal(t, record.Stored{}, stored)
		})
	}
	_, err := parse(`{"__greentic_deleted":"canary"}`)
	require.ErrorIs(t, err, record.ErrCorrupt)
	assert.NotContains(t, err.Error(), "canary")
}

// Each row is a record in order with one mutation of its JSON.
func TestParseKVRefusesRecords(t *testing.T) {
	b64 := func(length int) string { return base64.StdEncoding.EncodeToString(make([]byte, length)) }
	valid := fmt.Sprintf(`{"meta":{"uri":"secrets://prod/acme/_/configs/db","visibility":"team","contentType":"text"},`+
		`"envelope":{"algorithm":"aes256gcm","nonce":"%s","hkdf_salt":"%s","wrapped_dek":"%s"},"value":"%s"}`,
		b64(12), b64(32), base64.StdEncoding.EncodeToString([]byte(wrapped)), b64(20))
	record64 := func(text string) string {
		return `{"record":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`
	}
	_, err := parse(record64(valid))
	require.NoError(t, err)
	_, err = parse(record64(strings.Replace(valid, `"meta":{`, `"later":[1],"meta":{"later":null,`, 1)))
	require.NoError(t, err, "a newer Greentic may write more")
	for _, name := range []string{"", "AES256GCM", " aes-256-gcm "} {
		_, err = parse(record64(strings.Replace(valid, "aes256gcm", name, 1)))
		require.NoError(t, err, name)
	}
	for _, name := range []string{"xchacha", "xchacha20", "XChaCha20Poly1305"} {
		_, err = parse(record64(strings.Replace(strings.Replace(valid, "aes256gcm", name, 1), b64(12), b64(24), 1)))
		require.NoError(t, err, name)
	}
	for name, row := range map[string]struct{ old, new, text string }{
		"no JSON":                 {valid, `canary`, `the field "record" is not one JSON object`},
		"a field twice":           {`"value":`, `"value":"","value":`, "stands twice"},
		"no meta":                 {`"meta"`, `"Meta"`, "meta: is missing"},
		"no URI":                  {`"uri"`, `"URI"`, "meta.uri: is missing"},
		"two URIs":                {`"uri"`, `"uri":"x","uri"`, "meta: a field stands twice"},
		"a URI that is a list":    {`"secrets://prod/acme/_/configs/db"`, `[]`, "meta.uri: is of another type"},
		"a URI in another scheme": {`"secrets://`, `"secret://`, `it is the record of "secret://prod/acme/_/configs/db"`},
		"a URI with a space":      {`configs/db"`, `configs/db "`, `it is the record of`},
		"a hostile URI":           {`configs/db"`, `configs/db\n"`, `it is the record of "secrets://prod/acme/_/configs/db\n"`},
		"no URI at all":           {`"secrets://prod/acme/_/configs/db"`, `""`, `it is the record of ""`},
		"no envelope":             {`"envelope"`, `"e"`, "envelope: is missing"},
		"no algorithm":            {`"algorithm"`, `"a"`, "envelope.algorithm: is missing"},
		"an algorithm of others":  {`aes256gcm`, `aes128gcm`, `envelope.algorithm "aes128gcm" is unknown`},
		"no nonce":                {`"nonce"`, `"n"`, "nonce: is missing"},
		"a nonce in numbers":      {`"` + b64(12) + `"`, `[1,2]`, "nonce: is of another type"},
		"a nonce not in base64":   {b64(12), `canary!`, "nonce: not base64"},
		"a short nonce":           {b64(12), b64(11), "envelope.nonce has 11 bytes where aes256gcm has 12"},
		"a long nonce":            {b64(12), b64(24), "envelope.nonce has 24 bytes where aes256gcm has 12"},
		"an unpadded xchacha":     {`aes256gcm`, `xchacha`, "envelope.nonce has 12 bytes where xchacha has 24"},
		"no salt":                 {`"hkdf_salt"`, `"salt"`, "hkdf_salt: is missing"},
		"a short salt":            {b64(32), b64(16), "envelope.hkdf_salt has 16 bytes, not 32"},
		"no data key":             {`"wrapped_dek"`, `"dek"`, "wrapped_dek: is missing"},
		"an empty data key":       {base64.StdEncoding.EncodeToString([]byte(wrapped)), ``, "envelope.wrapped_dek is no ciphertext"},
		"a data key of a laptop":  {base64.StdEncoding.EncodeToString([]byte(wrapped)), b64(32), "envelope.wrapped_dek is no ciphertext"},
		"a data key with a line": {
			base64.StdEncoding.EncodeToString([]byte(wrapped)), base64.StdEncoding.EncodeToString([]byte("vault:v1:a\nb")), "envelope.wrapped_dek is no",
		},
		"an endless data key": {
			base64.StdEncoding.EncodeToString([]byte(wrapped)), base64.StdEncoding.EncodeToString([]byte("vault:v" + strings.Repeat("1", 5000))),
			"envelope.wrapped_dek is no",
		},
		"no value":        {`"value"`, `"v"`, "value: is missing"},
		"loose bits":      {`"` + b64(20) + `"`, `"AB=="`, "value: not base64"},
		"lines in base64": {`"` + b64(20) + `"`, `"AA\n=="`, "value: not base64"},
		"no padding":      {`"` + b64(20) + `"`, `"AA"`, "value: not base64"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, row.old, row.new, 1)
			require.NotEqual(t, valid, text)
			stored, err := parse(record64(text))
			require.ErrorIs(t, err, record.ErrCorrupt)
			assert.NotErrorIs(t, err, record.ErrNotFound)
			assert.ErrorContains(t, err, row.text)
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), "\n")
			assert.Equal(t, record.Stored{}, stored)
		})
	}
}

func FuzzParseKV(f *testing.F) {
	ref := secretref.MustParse("secret://prod/acme/_/configs/db")
	meta := naiveMeta{URI: ref.StoreURI(), Visibility: "team", ContentType: "text"}
	sealed := naiveSeal(meta, []byte("v"), stream("k", 32), stream("s", 32), stream("n", 12), wrapped)
	decoded, err := base64.StdEncoding.DecodeString(sealed)
	require.NoError(f, err)
	f.Add([]byte(`{"data":{"value":"x"},"metadata":`+validMetadata+`}`), decoded)
	f.Add([]byte(`{"data":null,"metadata":{"version":1}}`), []byte(`{}`))
	f.Add([]byte(`{"data":{"__greentic_deleted":true},"metadata":{"version":1}}`), []byte(`{"meta":{}}`))
	f.Fuzz(func(t *testing.T, answer, inner []byte) {
		if _, err := record.ParseKV(answer, ref); err != nil {
			named(t, err)
		}
		stored, err := parse(`{"record":"` + base64.StdEncoding.EncodeToString(inner) + `"}`)
		if err != nil {
			require.ErrorIs(t, err, record.ErrCorrupt)
			return
		}
		sealed, ok := stored.Record()
		require.True(t, ok)
		require.True(t, strings.HasPrefix(sealed.WrappedKey(), "vault:v"))
		var other naiveVaultRecord
		require.NoError(t, json.Unmarshal(inner, &other), "what is a record here is one elsewhere")
		value, err := sealed.Open(secret.New(stream("k", 32)))
		if err != nil {
			require.ErrorIs(t, err, record.ErrCorrupt)
			return
		}
		require.Equal(t, "v", value.RevealString(), "under this key only one value was ever sealed")
	})
}

func named(t *testing.T, err error) {
	t.Helper()
	for _, sentinel := range []error{record.ErrAnswer, record.ErrCorrupt, record.ErrNotFound} {
		if errors.Is(err, sentinel) {
			return
		}
	}
	t.Fatalf("%v is none of the package's errors", err)
}
