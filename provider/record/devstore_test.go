package record_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func devSecret(uri, value, masterKey string) naiveDevSecret {
	meta := naiveMeta{URI: uri, Visibility: "team", ContentType: "text"}
	return naiveDevSecret{Key: uri, Versions: []naiveDevVersion{{
		Version: 1, Record: naiveDevSeal(meta, []byte(value), stream(uri+" key", 32), stream(uri+" salt", 32), stream(uri+" nonce", 12), masterKey),
	}}}
}

// naiveStore is a dev-store with everything that a developer's machine gathers: several versions, deletions, restored secrets, other
// teams, records without content and both algorithms.
func naiveStore(masterKey string) []byte {
	description := "rotated in May"
	rotated := devSecret("secrets://dev/acme/_/openai/api_key", "old", masterKey)
	newer := devSecret("secrets://dev/acme/_/openai/api_key", "new", masterKey).Versions[0]
	newer.Version, newer.Record.Meta.Visibility, newer.Record.Meta.ContentType = 2, "tenant", "json"
	newer.Record.Meta.Description, newer.Record.Meta.Tags = &description, map[string]string{"ttl_seconds": "60"}
	rotated.Versions = append(rotated.Versions, newer)
	deleted := devSecret("secrets://dev/acme/_/openai/gone", "gone", masterKey)
	deleted.Versions = append(deleted.Versions, naiveDevVersion{Version: 2, Deleted: true})
	restored := devSecret("secrets://dev/acme/_/openai/restored", "again", masterKey)
	restored.Versions[0].Version = 3
	restored.Versions = append([]naiveDevVersion{{Version: 2, Deleted: true}}, restored.Versions...)
	padded := devSecret("secrets://dev/acme/core/configs/padded", "", masterKey)
	padded.Versions[0].Record = naiveDevSeal(padded.Versions[0].Record.Meta, []byte("padded"), stream("k", 32), stream("s", 32), stream("n", 24), masterKey)
	return naiveDevWrite(naiveDevFile{Secrets: []naiveDevSecret{
		rotated, deleted, restored, devSecret("secrets://dev/acme/core/configs/empty", "", masterKey), padded,
		devSecret("secrets://dev/demo/default/messaging-slack/bot_token", "folded", masterKey),
		{Key: "secrets://dev/acme/_/openai/never", Versions: []naiveDevVersion{}},
	}})
}

// TestReadDevStore reads files of the naive implementation, on this run and as they were kept.
func TestReadDevStore(t *testing.T) {
	for file, masterKey := range map[string]string{"testdata/dev-store.env": "", "testdata/dev-store-master.env": "a master key"} {
		made := naiveStore(masterKey)
		if *update {
			require.NoError(t, os.WriteFile(file, made, 0o600))
		}
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(made), string(kept), "the kept file is the naive implementation's")
		entries, err := record.ReadDevStore(kept, secret.NewString(masterKey))
		require.NoError(t, err)
		team := record.Meta{Visibility: record.VisibleToTeam, ContentType: record.ContentText}
		want := func(meta record.Meta, ref secretref.Reference, value string, version int) record.Entry {
			meta.Ref = ref
			return record.Entry{Meta: meta, Value: secret.NewString(value), Version: version}
		}
		rotated := record.Meta{
			Visibility: record.VisibleToTenant, ContentType: record.ContentJSON, Description: "rotated in May", Tags: map[string]string{"ttl_seconds": "60"},
		}
		expected := []record.Entry{
			want(rotated, secretref.MustParse("secret://dev/acme/_/openai/api_key"), "new", 2),
			want(team, secretref.MustParse("secret://dev/acme/_/openai/restored"), "again", 3),
			want(team, secretref.MustParse("secret://dev/acme/core/configs/empty"), "", 1),
			want(team, secretref.MustParse("secret://dev/acme/core/configs/padded"), "padded", 1),
			want(team, secretref.MustParse("secret://dev/demo/_/messaging-slack/bot_token"), "folded", 1),
		}
		require.Len(t, entries, len(expected))
		for i := range expected {
			assert.Equal(t, expected[i].Meta, entries[i].Meta)
			assert.Equal(t, expected[i].Version, entries[i].Version)
			assert.Equal(t, expected[i].Value.RevealString(), entries[i].Value.RevealString())
		}
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", entries, entries, entries), "folded", "an entry prints without its value")
	}
}

func TestReadDevStoreWithAnotherMasterKey(t *testing.T) {
	entries, err := record.ReadDevStore(naiveStore("right"), secret.NewString("wrong"))
	require.ErrorIs(t, err, record.ErrDevStore)
	require.ErrorIs(t, err, record.ErrCorrupt)
	assert.Nil(t, entries)
	assert.Equal(t, 5, strings.Count(err.Error(), "is GREENTIC_DEV_MASTER_KEY what it was"), "every secret that did not open is named")
}

func TestReadDevStoreFrame(t *testing.T) {
	state := strings.TrimSuffix(string(naiveStore("")), "\n")
	for name, file := range map[string]string{
		"as written":      state + "\n",
		"no last newline": state,
		"other lines":     "# comment\n\nOTHER=1\nnothing\n" + state + "\nSECRETS_BACKEND_STATE=the first one counts\n",
		"spaces, CRLF":    "\r\n  \r\nSECRETS_BACKEND_STATE = " + strings.TrimPrefix(state, "SECRETS_BACKEND_STATE=") + " \r\n",
	} {
		entries, err := record.ReadDevStore([]byte(file), secret.Value{})
		require.NoError(t, err, name)
		assert.Len(t, entries, 5, name)
	}
	for name, file := range map[string]string{
		"empty": "", "blank": "\n \n", "comment": "# nothing yet\n", "no secrets": string(naiveDevWrite(naiveDevFile{Secrets: []naiveDevSecret{}})),
	} {
		entries, err := record.ReadDevStore([]byte(file), secret.Value{})
		require.NoError(t, err, name)
		assert.Empty(t, entries, name)
	}
	inState := func(state string) string {
		return "SECRETS_BACKEND_STATE=" + base64.RawStdEncoding.EncodeToString([]byte(state)) + "\n"
	}
	for name, row := range map[string]struct{ file, text string }{
		"another file":     {"KEY=canary\n", "it has no line SECRETS_BACKEND_STATE="},
		"a passphrase":     {"# greentic-encrypted: v1\n# kdf: argon2id; m=65536; t=3; p=1\n# salt: AA\n" + state, "it is encrypted with a passphrase"},
		"padding":          {"SECRETS_BACKEND_STATE=e30=\n", "is not base64 without padding"},
		"no base64":        {"SECRETS_BACKEND_STATE=canary!\n", "is not base64 without padding"},
		"no JSON":          {inState("canary"), "its state: not one JSON object"},
		"no list":          {inState(`{}`), "its state: secrets: is missing"},
		"another list":     {inState(`{"secrets":{}}`), "its state: secrets: is of another type"},
		"a list of nulls":  {inState(`{"secrets":[null]}`), "its state: secrets: is of another type"},
		"an unknown field": {inState(`{"secrets":[],"canary":1}`), "its state: an unknown field"},
		"two lists":        {inState(`{"secrets":[],"secrets":[]}`), "its state: a field stands twice"},
		"too long":         {strings.Repeat("#", record.MaxDevStore+1), "longer than 8388608 bytes"},
	} {
		_, err := record.ReadDevStore([]byte(row.file), secret.Value{})
		require.ErrorIs(t, err, record.ErrDevStore, name)
		assert.ErrorContains(t, err, row.text, name)
		assert.NotContains(t, err.Error(), "canary", name)
	}
}

// Each row is a dev-store of one secret in order, with one mutation of its JSON.
func TestReadDevStoreRefuses(t *testing.T) {
	const uri = "secrets://dev/acme/_/openai/api_key"
	valid, err := json.Marshal(naiveDevFile{Secrets: []naiveDevSecret{devSecret(uri, "value", "")}})
	require.NoError(t, err)
	second, err := json.Marshal(devSecret("secrets://dev/acme/default/openai/api_key", "value", ""))
	require.NoError(t, err)
	for name, row := range map[string]struct {
		old, new, text string
		is             error
	}{
		"key missing":            {`"key":`, `"Key":`, "secrets[0]: ", nil},
		"key of four segments":   {`"key":"` + uri, `"key":"secrets://dev/acme/_/api_key`, `secrets[0] "secrets://dev/acme/_/api_key"`, secretref.ErrSegments},
		"key in upper case":      {`"key":"` + uri, `"key":"` + uri + `X`, `secrets[0] "` + uri + `X"`, secretref.ErrCharacter},
		"key of another scheme":  {`"key":"secrets`, `"key":"secret`, `a key starts with "secrets://"`, nil},
		"key with a version":     {`"key":"` + uri, `"key":"` + uri + `@3`, "its key pins a version", nil},
		"key with a line":        {`"key":"` + uri, `"key":"` + uri + `\n`, `secrets[0] "` + uri + `\n"`, secretref.ErrCharacter},
		"the same secret twice":  {`}}}]}]}`, `}}}]},` + string(second) + `]}`, "it is the same secret as secrets[0]", nil},
		"no versions":            {`"versions":`, `"version":`, "an unknown field", nil},
		"versions null":          {`"versions":[{`, `"versions":null,"x":[{`, "an unknown field", nil},
		"version missing":        {`"version":1,`, ``, "versions[0].version: is missing", nil},
		"version 0":              {`"version":1`, `"version":0`, "versions[0]: 0 does not come after 0", nil},
		"deleted missing":        {`"deleted":false,`, ``, "versions[0].deleted: is missing", nil},
		"deleted null":           {`"deleted":false`, `"deleted":null`, "versions[0].deleted: is missing", nil},
		"a version's field":      {`"version":1`, `"version":1,"x":1`, "versions[0]: an unknown field", nil},
		"alive, no record":       {`"record":{`, `"record":null,"x":{`, "versions[0]: an unknown field", nil},
		"record null":            {`"record":`, `"record":null}]},{"key":"x","versions":[{"version":1,"deleted":false,"record":`, "versions[0].record: is missing", nil},
		"a record's field":       {`"meta":`, `"x":1,"meta":`, "version 1: an unknown field", nil},
		"meta missing":           {`"meta":{`, `"value":{`, "a field stands twice", nil},
		"meta of another secret": {`"uri":"` + uri, `"uri":"secrets://dev/acme/_/openai/other`, "meta.uri is not the key", record.ErrCorrupt},
		"a meta field":           {`"uri":`, `"x":1,"uri":`, "meta: an unknown field", record.ErrInvalid},
		"visibility missing":     {`"visibility":"team",`, ``, "meta.visibility: is missing", record.ErrInvalid},
		"visibility of others":   {`"team"`, `"all"`, `visibility "all" is none of`, record.ErrInvalid},
		"contentType of others":  {`"text"`, `"yaml"`, `contentType "yaml" is none of`, record.ErrInvalid},
		"contentType missing":    {`,"contentType":"text"`, ``, "meta.contentType: is missing", record.ErrInvalid},
		"description a number":   {`"text"`, `"text","description":1`, "meta.description: is of another type", record.ErrInvalid},
		"tags a list":            {`"text"`, `"text","tags":[]`, "meta.tags: is of another type", record.ErrInvalid},
		"a tag that is a number": {`"text"`, `"text","tags":{"a":1}`, "meta.tags: not all are texts", record.ErrInvalid},
		"no envelope":            {`"envelope":{`, `"meta2":{`, "an unknown field", nil},
		"an envelope's field":    {`"algorithm":`, `"x":1,"algorithm":`, "an unknown field", nil},
		"no algorithm":           {`"algorithm":"aes256gcm",`, ``, "algorithm: is missing", nil},
		"another algorithm":      {`aes256gcm`, `none`, `envelope.algorithm "none" is unknown`, record.ErrCorrupt},
		"nonce in base64":        {`"nonce":[`, `"nonce":"AAAA","hkdf_salt":[`, "a field stands twice", nil},
		"nonce too short":        {`"nonce":[`, `"nonce":[1],"x":[`, "an unknown field", nil},
		"a byte of 256":          {`"nonce":[`, `"nonce":[256,`, "nonce: is of another type", nil},
		"a byte below 0":         {`"nonce":[`, `"nonce":[-1,`, "nonce: is of another type", nil},
		"a nonce of 13":          {`"nonce":[`, `"nonce":[1,`, "envelope.nonce has 13 bytes where aes256gcm has 12", record.ErrCorrupt},
		"a salt of 33":           {`"hkdf_salt":[`, `"hkdf_salt":[1,`, "envelope.hkdf_salt has 33 bytes", record.ErrCorrupt},
		"a data key of 33":       {`"wrapped_dek":[`, `"wrapped_dek":[1,`, "its data key has 33 bytes, not 32", record.ErrCorrupt},
		"a changed value":        {`"value":[`, `"value":[1,`, "its data key does not fit it", record.ErrCorrupt},
		"value null":             {`"value":[`, `"value":null,"x":[`, "an unknown field", nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(valid), row.old, row.new, 1)
			require.NotEqual(t, string(valid), text)
			file := "SECRETS_BACKEND_STATE=" + base64.RawStdEncoding.EncodeToString([]byte(text)) + "\n"
			entries, err := record.ReadDevStore([]byte(file), secret.Value{})
			require.ErrorIs(t, err, record.ErrDevStore)
			assert.ErrorContains(t, err, row.text)
			if row.is != nil {
				assert.ErrorIs(t, err, row.is)
			}
			assert.Nil(t, entries)
		})
	}
}

func TestReadDevStoreTellsAllFaultsAtOnce(t *testing.T) {
	bad := devSecret("secrets://dev/acme/_/openai/a", "x", "")
	bad.Versions[0].Record.Value[0] ^= 1
	file := naiveDevWrite(naiveDevFile{Secrets: []naiveDevSecret{
		bad, devSecret("secrets://dev/acme/_/openai/b", "x", ""), devSecret("secrets://dev/acme/c", "x", ""),
		devSecret("secrets://Dev/acme/_/openai/d", "x", ""), devSecret("secrets://dev/acme/_/openai/b", "x", ""),
	}})
	_, err := record.ReadDevStore(file, secret.Value{})
	require.ErrorIs(t, err, record.ErrDevStore)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4)
	for i, prefix := range []string{
		`secrets[0] "secrets://dev/acme/_/openai/a": `, `secrets[2] "secrets://dev/acme/c": `, `secrets[3] "secrets://Dev/acme/_/openai/d": `,
		`secrets[4] "secrets://dev/acme/_/openai/b": `,
	} {
		assert.True(t, strings.HasPrefix(lines[i], prefix), lines[i])
	}
}

func TestWriteDevStore(t *testing.T) {
	var entries []record.Entry
	for _, text := range []string{
		"secret://prod/acme/sales/slack/bot_token", "secret://prod/acme/sales/slack/signing_secret", "secret://prod/acme/sales/slack/a",
		"secret://prod/acme/_/slack/bot_token@3", "secret://prod/acme/_/openai/key", "secret://dev/acme/sales/slack/bot_token",
	} {
		ref, err := secretref.Parse(text)
		require.NoError(t, err)
		entries = append(entries, record.Entry{Meta: record.Meta{Ref: ref}, Value: secret.NewString("value of " + ref.Key())})
	}
	entries[0].Version, entries[0].Meta.Tags, entries[0].Meta.Description = 7, map[string]string{"a": "b"}, "d"
	entries[1].Value = secret.Value{}
	for _, masterKey := range []string{"", "a master key"} {
		file, err := record.WriteDevStore(entries, secret.NewString(masterKey))
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(file), "\n"))
		reader, err := newNaiveDevReader(file, masterKey)
		require.NoError(t, err)
		require.Len(t, reader.file.Secrets, len(entries))
		for i, s := range reader.file.Secrets {
			assert.Equal(t, s.Key, s.Versions[0].Record.Meta.URI)
			assert.True(t, i == 0 || s.Key > reader.file.Secrets[i-1].Key, "sorted as Greentic's map is")
		}
		// Greentic's reader remembers data keys by scope and category, so every order of reading must open.
		for range 20 {
			reader, err := newNaiveDevReader(file, masterKey)
			require.NoError(t, err)
			for _, i := range rand.Perm(len(entries)) {
				value, err := reader.get(entries[i].Meta.Ref.StoreURI())
				require.NoError(t, err, "%s", entries[i].Meta.Ref)
				assert.Equal(t, entries[i].Value.RevealString(), string(value))
			}
		}
		back, err := record.ReadDevStore(file, secret.NewString(masterKey))
		require.NoError(t, err)
		require.Len(t, back, len(entries))
		for _, e := range back {
			if e.Meta.Ref == entries[0].Meta.Ref {
				assert.Equal(t, 7, e.Version)
				assert.Equal(t, record.Meta{
					Ref: entries[0].Meta.Ref, Visibility: record.VisibleToTeam, ContentType: record.ContentText, Description: "d",
					Tags: map[string]string{"a": "b"},
				}, e.Meta)
			} else {
				assert.Equal(t, 1, e.Version)
			}
		}
	}
	empty, err := record.WriteDevStore(nil, secret.Value{})
	require.NoError(t, err)
	reader, err := newNaiveDevReader(empty, "")
	require.NoError(t, err)
	assert.NotNil(t, reader.file.Secrets, "an empty list, never null: Greentic's reader refuses null")
	assert.Empty(t, reader.file.Secrets)
}

// The naive reader would not see the trap if it were not there: a file whose records have data keys of their own fails in it.
func TestTheCacheOfGreenticsReaderIsATrap(t *testing.T) {
	reader, err := newNaiveDevReader(naiveDevWrite(naiveDevFile{Secrets: []naiveDevSecret{
		devSecret("secrets://dev/acme/_/slack/a", "x", ""), devSecret("secrets://dev/acme/_/slack/b", "y", ""),
	}}), "")
	require.NoError(t, err)
	_, err = reader.get("secrets://dev/acme/_/slack/a")
	require.NoError(t, err)
	_, err = reader.get("secrets://dev/acme/_/slack/b")
	require.Error(t, err)
}

func TestWriteDevStoreRefuses(t *testing.T) {
	ref := secretref.MustParse("secret://e/t/_/c/n")
	canary := secret.NewString("canary")
	_, err := record.WriteDevStore([]record.Entry{
		{Meta: record.Meta{Ref: ref}, Value: canary},
		{Value: canary},
		{Meta: record.Meta{Ref: secretref.MustParse("secret://e/t/default/c/n@2")}, Value: canary},
		{Meta: record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/o"), Visibility: "x"}, Value: canary},
		{Meta: record.Meta{Ref: secretref.MustParse("secret://e/t/_/c/p")}, Value: canary, Version: -1},
	}, secret.Value{})
	require.ErrorIs(t, err, record.ErrDevStore)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4)
	for i, text := range []string{
		`entries[1] "": invalid dev-store file: no valid record: ref is missing`, "entries[2] \"secrets://e/t/_/c/n\": invalid dev-store file: entries[0] is the same secret",
		`visibility "x"`, "-1 is no version",
	} {
		assert.Contains(t, lines[i], text)
	}
	assert.NotContains(t, err.Error(), "canary")
	for text, value := range map[string][]byte{
		"the value has 2097153 bytes":          make([]byte, record.MaxValue+1),
		"it would be longer than 8388608 byte": bytes.Repeat([]byte{255}, record.MaxValue),
	} {
		_, err = record.WriteDevStore([]record.Entry{{Meta: record.Meta{Ref: ref}, Value: secret.New(value)}}, secret.Value{})
		require.ErrorIs(t, err, record.ErrDevStore)
		assert.ErrorContains(t, err, text)
	}
}

func FuzzReadDevStore(f *testing.F) {
	state := func(file []byte) []byte {
		text, err := base64.RawStdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(string(file), "SECRETS_BACKEND_STATE=")))
		require.NoError(f, err)
		return text
	}
	f.Add([]byte("# greentic-encrypted: v1\n"), state(naiveDevWrite(naiveDevFile{Secrets: []naiveDevSecret{devSecret("secrets://e/t/_/c/n", "", "")}})))
	f.Add([]byte("A=b\nSECRETS_BACKEND_STATE=e30\n"), []byte(`{"secrets":[{"key":"secrets://e/t/_/c/n","versions":[]}]}`))
	f.Fuzz(func(t *testing.T, file, state []byte) {
		for _, whole := range [][]byte{file, []byte("SECRETS_BACKEND_STATE=" + base64.RawStdEncoding.EncodeToString(state))} {
			entries, err := record.ReadDevStore(whole, secret.Value{})
			if err != nil {
				require.ErrorIs(t, err, record.ErrDevStore)
				require.Nil(t, entries)
				continue
			}
			written, err := record.WriteDevStore(entries, secret.Value{})
			require.NoError(t, err)
			again, err := record.ReadDevStore(written, secret.Value{})
			require.NoError(t, err)
			require.Len(t, again, len(entries))
			byRef := map[secretref.Reference]record.Entry{}
			for _, e := range again {
				byRef[e.Meta.Ref] = e
			}
			for _, e := range entries {
				require.Equal(t, e, byRef[e.Meta.Ref])
			}
		}
	})
}
