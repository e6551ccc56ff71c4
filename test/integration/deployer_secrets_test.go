package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// reference is a reference of the environment: <team>/<category>/<name>.
func (o *operated) reference(t *testing.T, path string) secretref.Reference {
	t.Helper()
	ref, err := secretref.Parse("secret://" + o.id + "/acme/" + path)
	require.NoError(t, err)
	return ref
}

// stored opens the newest version of a reference's record, as a worker's reader would, and says which version that is.
func (o *operated) stored(t *testing.T, ref secretref.Reference) (value string, version int) {
	t.Helper()
	answer, err := o.vault.Logical().ReadWithContext(t.Context(), o.kv+"/data/greentic/"+ref.Key())
	require.NoError(t, err)
	require.NotNil(t, answer)
	text, err := json.Marshal(answer.Data)
	require.NoError(t, err)
	kv, err := record.ParseKV(text, ref)
	require.NoError(t, err)
	sealed, ok := kv.Record()
	require.True(t, ok, "it is no record")
	unwrapped, err := o.vault.Logical().WriteWithContext(t.Context(), o.transit+"/decrypt/greentic", map[string]any{"ciphertext": sealed.WrappedKey()})
	require.NoError(t, err)
	key, err := base64.StdEncoding.DecodeString(unwrapped.Data["plaintext"].(string))
	require.NoError(t, err)
	opened, err := sealed.Open(secret.New(key))
	require.NoError(t, err)
	version, _ = kv.Version()
	return opened.RevealString(), version
}

// TestPut writes a value from each source, byte for byte; none of it is in what the command prints.
func TestPut(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	binary := "line\n\x00\xff\xfe end\n"
	rows := []struct {
		name, stdin, want string
		args              []string
		stderr            string
	}{
		{"a variable", "", "of a variable", []string{"--env", "VALUE_OF_A_VARIABLE"}, ""},
		{"a file", "", binary, []string{"--file", o.path(t, "value", binary)}, "ends with a newline"},
		{"standard input", "of stdin", "of stdin", []string{"--stdin"}, ""},
		{"nothing at all", "", "", []string{"--stdin"}, ""},
		{"the longest", strings.Repeat("x", 512<<10), strings.Repeat("x", 512<<10), []string{"--stdin"}, ""},
	}
	ref := o.reference(t, "sales/messaging-slack/slack_bot_token")
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r, writes := o.deploy(t, row.stdin, append([]string{"secrets", "put", ref.String()}, row.args...)...)
			require.Zero(t, r.code, r.stderr)
			assert.Equal(t, fmt.Sprintf("written  %s version %d\n", ref, i+1), r.stdout)
			assert.Equal(t, row.stderr != "", strings.Contains(r.stderr, "ends with a newline"), r.stderr)
			assert.Equal(t, 1, writes)
			value, version := o.stored(t, ref)
			assert.Equal(t, row.want, value)
			assert.Equal(t, i+1, version)
			if row.want != "" {
				assert.NotContains(t, r.stdout+r.stderr, row.want)
			}
		})
	}
	t.Run("longer than that", func(t *testing.T) {
		r, writes := o.deploy(t, strings.Repeat("x", 512<<10+1), "secrets", "put", ref.String(), "--stdin")
		assert.Equal(t, 2, r.code)
		assert.Contains(t, r.stderr, "more than 524288 bytes")
		assert.Zero(t, writes)
	})
	t.Run("after a deletion", func(t *testing.T) {
		_, err := o.vault.Logical().DeleteWithContext(t.Context(), o.kv+"/data/greentic/"+ref.Key())
		require.NoError(t, err)
		r, _ := o.deploy(t, "back again", "secrets", "put", ref.String(), "--stdin")
		require.Zero(t, r.code, r.stderr)
		value, version := o.stored(t, ref)
		assert.Equal(t, "back again", value)
		assert.Equal(t, len(rows)+1, version)
	})
}

// TestPutCoversNothingUp has somebody else write between the deployer's reading and its writing.
func TestPutCoversNothingUp(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	ref := o.reference(t, "sales/c/contested")
	front := o.newFront(t)
	front.replace(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/data/") {
			o.write(t, o.kv+"/data/greentic/"+ref.Key(), map[string]any{"data": map[string]any{"value": "somebody else's"}})
		}
		next.ServeHTTP(w, r)
	})
	r, _ := o.deploy(t, "mine", "secrets", "put", ref.String(), "--stdin", "--vault-addr", front.URL)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.stderr, `writing "`+ref.String()+`" after its version 0`)
	assert.Contains(t, r.stderr, "somebody else wrote in between (HTTP 400): look at what is there now and run the command again")
	assert.Empty(t, r.stdout)
	there, err := o.vault.Logical().ReadWithContext(t.Context(), o.kv+"/data/greentic/"+ref.Key())
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"value": "somebody else's"}, there.Data["data"])
}

// TestPutMakesNoKey is a Vault that was never wired: asked to encrypt, it would make the key that is missing.
func TestPutMakesNoKey(t *testing.T) {
	o := operator(t)
	for _, mount := range []string{"none", "without the key"} {
		t.Run(mount, func(t *testing.T) {
			if mount != "none" {
				o.write(t, "sys/mounts/"+o.transit, map[string]any{"type": "transit"})
			}
			r, writes := o.deploy(t, "x", "secrets", "put", o.reference(t, "sales/c/n").String(), "--stdin")
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.stderr, "vault is not wired for this environment: there is nothing at "+o.transit+"/keys/greentic: run `gtc-deployer vault apply`")
			assert.Zero(t, writes)
			if mount != "none" {
				key, err := o.vault.Logical().ReadWithContext(t.Context(), o.transit+"/keys/greentic")
				require.NoError(t, err)
				assert.Nil(t, key)
			}
		})
	}
	t.Run("without the KV mount", func(t *testing.T) {
		o.write(t, o.transit+"/keys/greentic", map[string]any{})
		r, _ := o.deploy(t, "x", "secrets", "put", o.reference(t, "sales/c/n").String(), "--stdin")
		assert.Equal(t, 1, r.code)
		assert.Contains(t, r.stderr, "there is no KV mount "+o.kv+"/: run `gtc-deployer vault apply`")
	})
}

// devStore writes a dev-store file of these secrets, by <tenant>/<team>/<category>/<name>, and returns its path.
func (o *operated) devStore(t *testing.T, secrets map[string]string) string {
	t.Helper()
	var entries []record.Entry
	for path, value := range secrets {
		ref, err := secretref.Parse("secret://" + o.id + "/" + path)
		require.NoError(t, err)
		entries = append(entries, record.Entry{
			Meta: record.Meta{Ref: ref, Visibility: record.VisibleToTeam, ContentType: record.ContentText, Description: "imported"}, Value: secret.NewString(value),
		})
	}
	text, err := record.WriteDevStore(entries, secret.NewString("the laptop's"))
	require.NoError(t, err)
	return o.path(t, ".dev.secrets.env", string(text))
}

// TestImport takes a dev-store file to Vault: all of it once, nothing twice, and nothing over what somebody wrote meanwhile.
func TestImport(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	file := o.devStore(t, map[string]string{
		"acme/sales/messaging-slack/slack_bot_token":    "xoxb-canary",
		"acme/support/zendesk/api_key":                  "zendesk-canary",
		"acme/_/openai/api_key":                         "openai-canary",
		"acme/_/openai/empty":                           "",
		"default/_/k8s-deployer/deployer_token":         "deployer-canary",
		"default/default/aws-deployer/deployer_session": "session-canary",
	})
	r, writes := o.deploy(t, "", "secrets", "import", file)
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, 4, writes)
	assert.Equal(t, strings.ReplaceAll(`written     secret://ENV/acme/_/openai/api_key version 1
written     secret://ENV/acme/_/openai/empty version 1
written     secret://ENV/acme/sales/messaging-slack/slack_bot_token version 1
written     secret://ENV/acme/support/zendesk/api_key version 1
left out    secret://ENV/default/_/aws-deployer/deployer_session (the deployer's own credential)
left out    secret://ENV/default/_/k8s-deployer/deployer_token (the deployer's own credential)
4 written, 0 the same, 2 left out, 0 not written
`, "ENV", o.id), r.stdout)
	assert.NotContains(t, r.stdout+r.stderr, "canary")
	slack := o.reference(t, "sales/messaging-slack/slack_bot_token")
	value, _ := o.stored(t, slack)
	assert.Equal(t, "xoxb-canary", value)
	left, err := o.vault.Logical().ReadWithContext(t.Context(), o.kv+"/data/greentic/"+o.id+"/default/_/k8s-deployer/deployer_token")
	require.NoError(t, err)
	assert.Nil(t, left)

	t.Run("again", func(t *testing.T) {
		r, writes := o.deploy(t, "", "secrets", "import", file)
		require.Zero(t, r.code, r.stderr)
		assert.Zero(t, writes)
		assert.Contains(t, r.stdout, "same        "+slack.String()+" version 1\n")
		assert.Contains(t, r.stdout, "0 written, 4 the same, 2 left out, 0 not written\n")
	})
	t.Run("after somebody wrote", func(t *testing.T) {
		put, _ := o.deploy(t, "newer-canary", "secrets", "put", slack.String(), "--stdin")
		require.Zero(t, put.code, put.stderr)
		o.write(t, o.kv+"/data/greentic/"+o.reference(t, "_/openai/empty").Key(), map[string]any{"data": map[string]any{"value": "plain-canary"}})
		r, writes := o.deploy(t, "", "secrets", "import", file)
		assert.Equal(t, 1, r.code)
		assert.Zero(t, writes)
		assert.Empty(t, r.stdout)
		assert.Contains(t, r.stderr, `"`+slack.String()+`": vault holds something else there: version 2: another value; --overwrite`)
		assert.Contains(t, r.stderr, "version 2: plain fields, which Greentic's workers do not read; --overwrite")
		assert.NotContains(t, r.stderr, "canary")

		r, writes = o.deploy(t, "", "secrets", "import", file, "--overwrite")
		require.Zero(t, r.code, r.stderr)
		assert.Equal(t, 2, writes)
		assert.Contains(t, r.stdout, "2 written, 2 the same, 2 left out, 0 not written\n")
		value, version := o.stored(t, slack)
		assert.Equal(t, "xoxb-canary", value)
		assert.Equal(t, 3, version)
	})
	t.Run("what a record says of itself", func(t *testing.T) {
		there, err := o.vault.Logical().ReadWithContext(t.Context(), o.kv+"/data/greentic/"+slack.Key())
		require.NoError(t, err)
		text, err := base64.StdEncoding.DecodeString(there.Data["data"].(map[string]any)["record"].(string))
		require.NoError(t, err)
		assert.Contains(t, string(text), `"description":"imported"`)
		assert.NotContains(t, string(text), "canary")
	})
}

// TestImportRefuses is a file of which something does not belong here, or that does not open: nothing of it is written.
func TestImportRefuses(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	foreign := o.devStore(t, map[string]string{"acme/sales/c/n": "canary", "globex/sales/c/n": "canary", "initech/_/c/n": "canary"})
	t.Run("other tenants' secrets", func(t *testing.T) {
		r, writes := o.deploy(t, "", "secrets", "import", foreign)
		assert.Equal(t, 2, r.code)
		assert.Zero(t, writes)
		assert.Empty(t, r.stdout)
		assert.Len(t, strings.Split(strings.TrimSpace(r.stderr), "\n"), 3, "a note and two faults\n%s", r.stderr)
		assert.NotContains(t, r.stderr, "canary")
	})
	t.Run("unless they are left out", func(t *testing.T) {
		r, writes := o.deploy(t, "", "secrets", "import", foreign, "--leave-out-foreign")
		require.Zero(t, r.code, r.stderr)
		assert.Equal(t, 1, writes)
		assert.Contains(t, r.stdout, "1 written, 0 the same, 2 left out, 0 not written\n")
	})
	t.Run("under another master key", func(t *testing.T) {
		o.masterKey = "another"
		r, writes := o.deploy(t, "", "secrets", "import", foreign)
		assert.Equal(t, 2, r.code)
		assert.Zero(t, writes)
		assert.Equal(t, 3, strings.Count(r.stderr, "is GREENTIC_DEV_MASTER_KEY what it was when the file was written?"))
	})
}

// TestImportOfAnotherImplementationsFile takes files that were not written by the code that reads them.
func TestImportOfAnotherImplementationsFile(t *testing.T) {
	for name, masterKey := range map[string]string{"dev-store.env": "", "dev-store-master.env": "a master key"} {
		t.Run(name, func(t *testing.T) {
			o := operator(t, "id: prod", "id: dev")
			o.id, o.masterKey = "dev", masterKey
			o.apply(t, o.cluster...)
			r, writes := o.deploy(t, "", "secrets", "import", filepath.Join(root, "provider/record/testdata", name), "--leave-out-foreign")
			require.Zero(t, r.code, r.stderr)
			assert.Equal(t, 4, writes)
			assert.Contains(t, r.stdout, "left out    secret://dev/demo/_/messaging-slack/bot_token (of another environment or tenant)\n")
			for path, want := range map[string]string{"_/openai/api_key": "new", "_/openai/restored": "again", "core/configs/empty": "", "core/configs/padded": "padded"} {
				value, _ := o.stored(t, o.reference(t, path))
				assert.Equal(t, want, value, path)
			}
		})
	}
}

// TestImportOfMany is a store larger than any laptop's.
func TestImportOfMany(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	secrets := map[string]string{}
	for i := range 600 {
		secrets[fmt.Sprintf("acme/sales/many/n%d", i)] = fmt.Sprintf("value %d", i)
	}
	file := o.devStore(t, secrets)
	r, writes := o.deploy(t, "", "secrets", "import", file)
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, 600, writes)
	r, writes = o.deploy(t, "", "secrets", "import", file)
	require.Zero(t, r.code, r.stderr)
	assert.Zero(t, writes)
	assert.Contains(t, r.stdout, "0 written, 600 the same, 0 left out, 0 not written\n")
}
