package integration_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// TestObjects is every field of an object, through the driver.
func TestObjects(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		category := unique("objects")
		own := func(name string) secretref.Reference { return ref(t, env.sales, category, name) }
		w.put(t, own("plain"), "a value")
		w.put(t, own("json"), `{"user":"u","port":5432,"nested":{"a":[1]},"empty":""}`)
		w.put(t, own("empty"), "")
		w.put(t, own("large"), strings.Repeat("0123456789abcdef", 1<<15))
		w.put(t, own("versioned"), "first")
		w.put(t, own("versioned"), "second")
		w.write(t, own("kv"), map[string]any{"value": "plain KV", "user": "root", "port": 1, "list": []string{"a"}})
		w.put(t, own("fallback").WholeTenant(), "the tenant's")
		w.put(t, own("both"), "the team's")
		w.put(t, own("both").WholeTenant(), "the tenant's")
		w.put(t, own("deleted"), "gone")
		w.remove(t, own("deleted"))
		w.write(t, own("tombstone"), map[string]any{"__greentic_deleted": true})

		base := "secret://prod/acme/sales/" + category + "/"
		objects := ""
		expect := map[string]string{}
		modes := map[string]fs.FileMode{}
		for _, row := range []struct {
			object, file, content string
			mode                  fs.FileMode
		}{
			{object: "{ref: BASE/plain}", file: "sales/" + category + "/plain", content: "a value"},
			{object: "{ref: BASE/plain, file: deep/er/and/deeper, mode: 0400}", file: "deep/er/and/deeper", content: "a value", mode: 0o400},
			{object: `{ref: BASE/plain, file: "a b", mode: "0o640"}`, file: "a b", content: "a value", mode: 0o640},
			{object: "{ref: BASE/json, file: user, key: user}", file: "user", content: "u"},
			{object: "{ref: BASE/json, file: port, key: port}", file: "port", content: "5432"},
			{object: "{ref: BASE/json, file: nested, key: nested}", file: "nested", content: `{"a":[1]}`},
			{object: "{ref: BASE/json, file: empty-field, key: empty}", file: "empty-field"},
			{object: "{ref: BASE/empty}", file: "sales/" + category + "/empty"},
			{object: "{ref: BASE/large, file: large}", file: "large", content: strings.Repeat("0123456789abcdef", 1<<15)},
			{object: "{ref: BASE/versioned, file: newest}", file: "newest", content: "second"},
			{object: "{ref: BASE/versioned@1, file: pinned}", file: "pinned", content: "first"},
			{object: "{ref: BASE/kv, file: kv}", file: "kv", content: "plain KV"},
			{object: "{ref: BASE/kv, file: kv-user, key: user}", file: "kv-user", content: "root"},
			{object: "{ref: BASE/kv, file: kv-port, key: port}", file: "kv-port", content: "1"},
			{object: "{ref: BASE/kv, file: kv-list, key: list}", file: "kv-list", content: `["a"]`},
			{object: "{ref: BASE/fallback, fallback: tenant}", file: "sales/" + category + "/fallback", content: "the tenant's"},
			{object: "{ref: BASE/both, fallback: tenant}", file: "sales/" + category + "/both", content: "the team's"},
			{object: "{ref: BASE/absent, optional: true}"},
			{object: "{ref: BASE/deleted, optional: true}"},
			{object: "{ref: BASE/tombstone, optional: true}"},
			{object: "{ref: BASE/absent, file: absent-too, fallback: tenant, optional: true}"},
		} {
			objects += "- " + strings.ReplaceAll(row.object, "BASE/", base) + "\n"
			if row.file == "" {
				continue
			}
			expect[row.file], modes[row.file] = row.content, row.mode
			if row.mode == 0 {
				modes[row.file] = 0o644
			}
		}
		volume := w.mount(t, class{provider: "greentic", scope: env.sales, objects: objects})
		assert.Equal(t, expect, contents(t, volume))
		files, err := volume.Files()
		require.NoError(t, err)
		for _, file := range files {
			assert.Equal(t, modes[file.Path], file.Mode, file.Path)
		}
	})
}

// TestOnlyAbsentOptionals is a class of which nothing is there: the volume still is, and holds one empty file that nobody has asked for.
func TestOnlyAbsentOptionals(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		secret := ref(t, env.sales, unique("absent"), "later")
		volume := w.mount(t, class{provider: "greentic", scope: env.sales, objects: fmt.Sprintf("- {ref: %q, optional: true}", secret)})
		assert.Equal(t, map[string]string{".greentic-empty": ""}, contents(t, volume))

		w.put(t, secret, "now it is there")
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()))
		assert.Equal(t, map[string]string{secret.Path(): "now it is there"}, contents(t, volume))
	})
}
