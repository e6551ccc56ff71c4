package record_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var update = flag.Bool("update", false, "rewrite the vectors")

const wrapped = "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w=="

// vector is a stored secret, who may open it and what is in it.
type vector struct {
	Name       string          `json:"name"`
	Reference  string          `json:"reference"`
	DataKey    string          `json:"dataKey"` // hex
	WrappedKey string          `json:"wrappedKey"`
	Value      string          `json:"value"` // hex
	KV         json.RawMessage `json:"kv"`    // the "data" of Vault's answer
}

// stream is bytes that are the same on every run.
func stream(name string, length int) []byte {
	var out []byte
	for i := 0; len(out) < length; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))
		out = append(out, sum[:]...)
	}
	return out[:length]
}

func makeVectors(t *testing.T) []vector {
	t.Helper()
	description := "the bot's token"
	rows := []struct {
		name, reference string
		meta            naiveMeta
		value           []byte
		nonce           int
		wrapped         string
	}{
		{"text", "secret://prod/acme/sales/messaging-slack/slack_bot_token", naiveMeta{
			URI: "secrets://prod/acme/sales/messaging-slack/slack_bot_token", Visibility: "team", ContentType: "text",
		}, []byte("xoxb-not-a-token"), 12, wrapped},
		{"whole tenant, all metadata", "secret://prod/acme/_/openai/api_key", naiveMeta{
			URI: "secrets://prod/acme/_/openai/api_key", Visibility: "tenant", ContentType: "json", Description: &description,
			Tags: map[string]string{"ttl_seconds": "60", "created_at": "2026-01-01T00:00:00Z"},
		}, []byte(`{"key":"sk-not-a-key"}`), 12, "vault:v27:AAAA"},
		{"empty", "secret://prod/acme/_/configs/empty", naiveMeta{
			URI: "secrets://prod/acme/_/configs/empty", Visibility: "user", ContentType: "opaque",
		}, nil, 12, wrapped},
		{"binary", "secret://prod/acme/_/tls/keystore", naiveMeta{
			URI: "secrets://prod/acme/_/tls/keystore", Visibility: "team", ContentType: "binary",
		}, stream("binary", 300), 12, wrapped},
		{"xchacha", "secret://prod/acme/_/configs/padded", naiveMeta{
			URI: "secrets://prod/acme/_/configs/padded", Visibility: "team", ContentType: "text",
		}, []byte("twelve of twenty-four"), 24, wrapped},
		{"a URI with a version of its own", "secret://dev/acme/core/configs/db@3", naiveMeta{
			URI: "secrets://dev/acme/core/configs/db@v1", Visibility: "team", ContentType: "text",
		}, []byte("versioned"), 12, wrapped},
		{"a URI whose team is default", "secret://dev/acme/_/configs/db", naiveMeta{
			URI: "secrets://dev/acme/default/configs/db", Visibility: "team", ContentType: "text",
		}, []byte("folded"), 12, wrapped},
	}
	vectors := make([]vector, len(rows))
	for i, row := range rows {
		dataKey := stream(row.name+" key", 32)
		sealed := naiveSeal(row.meta, row.value, dataKey, stream(row.name+" salt", 32), stream(row.name+" nonce", row.nonce), row.wrapped)
		kv, err := json.Marshal(map[string]any{"data": map[string]any{"record": sealed}, "metadata": metadata(i + 1)})
		require.NoError(t, err)
		vectors[i] = vector{
			Name: row.name, Reference: row.reference, DataKey: hex.EncodeToString(dataKey), WrappedKey: row.wrapped,
			Value: hex.EncodeToString(row.value), KV: kv,
		}
	}
	return vectors
}

// metadata is what Vault says of a version.
func metadata(version int) map[string]any {
	return map[string]any{
		"created_time": "2026-05-01T10:00:00.123456789Z", "custom_metadata": nil, "deletion_time": "", "destroyed": false, "version": version,
	}
}

// TestVectors opens what the naive implementation sealed, on this run and when the vectors were made.
func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	made, err := json.MarshalIndent(makeVectors(t), "", "  ")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(file, append(made, '\n'), 0o600))
	}
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, string(made), string(kept), "the vectors are the naive implementation's")
	var vectors []vector
	require.NoError(t, json.Unmarshal(kept, &vectors))
	for i, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			ref, err := secretref.Parse(v.Reference)
			require.NoError(t, err)
			stored, err := record.ParseKV(v.KV, ref)
			require.NoError(t, err)
			version, created := stored.Version()
			assert.Equal(t, i+1, version)
			assert.Equal(t, "2026-05-01T10:00:00.123456789Z", created)
			sealed, ok := stored.Record()
			require.True(t, ok)
			assert.Equal(t, v.WrappedKey, sealed.WrappedKey())
			_, plain := stored.Field("record")
			assert.False(t, plain, "a record has no plain fields")
			value, err := sealed.Open(unhex(t, v.DataKey))
			require.NoError(t, err)
			assert.Equal(t, v.Value, hex.EncodeToString(value.Reveal()))
		})
	}
}

func unhex(t *testing.T, text string) secret.Value {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return secret.New(b)
}

func TestNaiveOpensWhatWeSeal(t *testing.T) {
	description := "d <&> \"q\" ü\u2028"
	for name, row := range map[string]struct {
		meta  record.Meta
		value []byte
		want  naiveMeta
	}{
		"defaults": {
			record.Meta{Ref: secretref.MustParse("secret://prod/acme/sales/slack/token@7")}, []byte("v"),
			naiveMeta{URI: "secrets://prod/acme/sales/slack/token", Visibility: "team", ContentType: "text"},
		},
		"everything": {
			record.Meta{
				Ref: secretref.MustParse("secret://prod/acme/default/slack/token"), Visibility: record.VisibleToTenant,
				ContentType: record.ContentJSON, Description: description, Tags: map[string]string{"a": "b", "": "<"},
			}, []byte(`{"a":1}`),
			naiveMeta{
				URI: "secrets://prod/acme/_/slack/token", Visibility: "tenant", ContentType: "json", Description: &description,
				Tags: map[string]string{"a": "b", "": "<"},
			},
		},
		"empty": {
			record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/n"), Visibility: record.VisibleToUser, ContentType: record.ContentOpaque}, nil,
			naiveMeta{URI: "secrets://e/t/_/c/n", Visibility: "user", ContentType: "opaque"},
		},
		"large": {
			record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/n"), ContentType: record.ContentBinary}, stream("large", record.MaxValue),
			naiveMeta{URI: "secrets://e/t/_/c/n", Visibility: "team", ContentType: "binary"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dataKey := record.NewDataKey()
			data, err := record.Seal(row.meta, secret.New(row.value), dataKey, wrapped)
			require.NoError(t, err)
			require.Len(t, data, 1)
			text, ok := data["record"].(string)
			require.True(t, ok)
			sealed, value, err := naiveOpen(text, dataKey.Reveal())
			require.NoError(t, err)
			assert.Equal(t, string(row.value), string(value))
			assert.Equal(t, row.want, sealed.Meta)
			assert.Equal(t, base64.StdEncoding.EncodeToString([]byte(wrapped)), sealed.Envelope.WrappedDEK)

			kv, err := json.Marshal(map[string]any{"data": data, "metadata": metadata(1)})
			require.NoError(t, err)
			assert.Less(t, len(kv), 4<<20, "what we seal, we can read")
			stored, err := record.ParseKV(kv, row.meta.Ref)
			require.NoError(t, err)
			back, ok := stored.Record()
			require.True(t, ok)
			opened, err := back.Open(dataKey)
			require.NoError(t, err)
			assert.Equal(t, string(row.value), opened.RevealString())
		})
	}
}

// Nothing random is ever used twice: not the data key, not the salt, not the nonce.
func TestSealIsFreshEachTime(t *testing.T) {
	seen := map[string]bool{}
	fresh := func(b string) {
		require.False(t, seen[b])
		seen[b] = true
	}
	meta := record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/n")}
	for range 100 {
		dataKey := record.NewDataKey()
		assert.Equal(t, 32, dataKey.Len())
		fresh(dataKey.RevealString())
		for range 2 {
			data, err := record.Seal(meta, secret.NewString("same"), dataKey, wrapped)
			require.NoError(t, err)
			sealed, _, err := naiveOpen(data["record"].(string), dataKey.Reveal())
			require.NoError(t, err)
			fresh(sealed.Envelope.HKDFSalt)
			fresh(sealed.Envelope.Nonce)
			fresh(sealed.Value)
		}
	}
}

// Each row is a record in order with one mutation.
func TestSealRefuses(t *testing.T) {
	for text, mutate := range map[string]func(m *record.Meta, value, dataKey *secret.Value, wrappedKey *string){
		"ref is missing": func(m *record.Meta, _, _ *secret.Value, _ *string) { m.Ref = secretref.Reference{} },
		`visibility "all" is none of user, team, tenant`: func(m *record.Meta, _, _ *secret.Value, _ *string) { m.Visibility = "all" },
		`contentType "Text" is none of opaque, json, text, binary`: func(m *record.Meta, _, _ *secret.Value, _ *string) {
			m.ContentType = "Text"
		},
		"the value has 2097153 bytes, more than 2097152": func(_ *record.Meta, value, _ *secret.Value, _ *string) {
			*value = secret.New(make([]byte, record.MaxValue+1))
		},
		"the data key has 0 bytes, not 32":  func(_ *record.Meta, _, dataKey *secret.Value, _ *string) { *dataKey = secret.Value{} },
		"the data key has 31 bytes, not 32": func(_ *record.Meta, _, dataKey *secret.Value, _ *string) { *dataKey = secret.New(make([]byte, 31)) },
		"the wrapped data key is no ciphertext of the transit engine": func(_ *record.Meta, _, _ *secret.Value, wrappedKey *string) {
			*wrappedKey = "canary"
		},
	} {
		meta, value := record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/n")}, secret.NewString("canary")
		dataKey, wrappedKey := record.NewDataKey(), wrapped
		mutate(&meta, &value, &dataKey, &wrappedKey)
		data, err := record.Seal(meta, value, dataKey, wrappedKey)
		require.ErrorIs(t, err, record.ErrInvalid)
		assert.ErrorContains(t, err, text)
		assert.NotContains(t, err.Error(), "canary")
		assert.Nil(t, data)
	}
}

// TestOpenRefusesEveryChange flips each bit of what counts, one at a time.
func TestOpenRefusesEveryChange(t *testing.T) {
	ref := secretref.MustParse("secret://prod/acme/_/configs/padded")
	meta := naiveMeta{URI: ref.StoreURI(), Visibility: "team", ContentType: "text"}
	dataKey, salt, value := stream("key", 32), stream("salt", 32), []byte("value")
	for _, nonce := range [][]byte{stream("nonce", 12), stream("nonce", 24)} {
		sealed := naiveSeal(meta, value, dataKey, salt, nonce, wrapped)
		opened, err := open(t, sealed, ref, dataKey)
		require.NoError(t, err)
		assert.Equal(t, "value", opened.RevealString())
		for name, field := range map[string]func(r *naiveVaultRecord) *string{
			"value": func(r *naiveVaultRecord) *string { return &r.Value },
			"salt":  func(r *naiveVaultRecord) *string { return &r.Envelope.HKDFSalt },
			"nonce": func(r *naiveVaultRecord) *string { return &r.Envelope.Nonce },
		} {
			var r naiveVaultRecord
			text, err := base64.StdEncoding.DecodeString(sealed)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &r))
			original, err := base64.StdEncoding.DecodeString(*field(&r))
			require.NoError(t, err)
			for bit := range len(original) * 8 {
				if name == "nonce" && bit >= 12*8 {
					continue // the padding of "xchacha" does not count
				}
				changed := append([]byte(nil), original...)
				changed[bit/8] ^= 1 << (bit % 8)
				*field(&r) = base64.StdEncoding.EncodeToString(changed)
				_, err := open(t, encode(t, r), ref, dataKey)
				require.ErrorIs(t, err, record.ErrCorrupt, "%s, bit %d", name, bit)
			}
		}
		for bit := range 32 * 8 {
			changed := append([]byte(nil), dataKey...)
			changed[bit/8] ^= 1 << (bit % 8)
			_, err := open(t, sealed, ref, changed)
			require.ErrorIs(t, err, record.ErrCorrupt)
		}
		for _, length := range []int{0, 16, 31, 33, 64} {
			_, err := open(t, sealed, ref, stream("key", length))
			require.ErrorIs(t, err, record.ErrCorrupt)
			assert.ErrorContains(t, err, fmt.Sprintf("its data key has %d bytes, not 32", length))
		}
	}
	_, err := record.Record{}.Open(record.NewDataKey())
	require.ErrorIs(t, err, record.ErrCorrupt, "the zero value opens to nothing")
}

func encode(t *testing.T, r any) string {
	t.Helper()
	text, err := json.Marshal(r)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(text)
}

func open(t *testing.T, sealed string, ref secretref.Reference, dataKey []byte) (secret.Value, error) {
	t.Helper()
	kv, err := json.Marshal(map[string]any{"data": map[string]any{"record": sealed}, "metadata": metadata(1)})
	require.NoError(t, err)
	stored, err := record.ParseKV(kv, ref)
	if err != nil {
		return secret.Value{}, err
	}
	sealedRecord, ok := stored.Record()
	require.True(t, ok)
	return sealedRecord.Open(secret.New(dataKey))
}

// A record that somebody copied to another path decrypts there, because its key comes from its own URI. It is refused by its name.
func TestACopiedRecordIsRefused(t *testing.T) {
	meta := naiveMeta{URI: "secrets://prod/acme/support/slack/token", Visibility: "team", ContentType: "text"}
	sealed := naiveSeal(meta, []byte("theirs"), stream("key", 32), stream("salt", 32), stream("nonce", 12), wrapped)
	for _, text := range []string{
		"secret://prod/acme/sales/slack/token", "secret://prod/acme/_/slack/token", "secret://prod/acme/support/slack/token2",
		"secret://prod/acme/support/slac/token", "secret://prod/other/support/slack/token", "secret://dev/acme/support/slack/token",
	} {
		ref, err := secretref.Parse(text)
		require.NoError(t, err)
		_, err = open(t, sealed, ref, stream("key", 32))
		require.ErrorIs(t, err, record.ErrCorrupt)
		assert.ErrorContains(t, err, `it is the record of "secrets://prod/acme/support/slack/token"`)
		assert.ErrorContains(t, err, fmt.Sprintf("%q was asked for", strings.Replace(text, "secret:", "secrets:", 1)))
	}
	_, err := open(t, sealed, secretref.Reference{}, stream("key", 32))
	require.ErrorIs(t, err, record.ErrCorrupt)
}
