package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	recording "github.com/greenticai/gtc-csi-provider/provider/record"
)

// TestVaultNotWired is a scope, or a Vault, that nobody has wired: the text names the command that mends it.
func TestVaultNotWired(t *testing.T) {
	t.Parallel()
	w, env := wired(t, unique("notwired"))
	secret := ref(t, env.sales, "a", "b")
	w.put(t, secret, "a value")
	_, err := w.vault.Logical().DeleteWithContext(t.Context(), "auth/kubernetes/role/gtc."+env.id+".acme.sales")
	require.NoError(t, err)
	c := class{scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	volume := w.pod(t, env.sales, "class")
	for _, row := range []struct {
		name   string
		change func(*connection)
		code   codes.Code
		says   string
	}{
		{"no role", func(*connection) {}, codes.Unauthenticated, "gtc." + env.id + ".acme.sales"},
		// Vault hides from who has no token what is mounted: its answer is that of a refused login.
		{"no auth mount", func(c *connection) { c.AuthMount = "absent" }, codes.Unauthenticated, "nothing is mounted at auth/absent"},
	} {
		t.Run(row.name, func(t *testing.T) {
			connection := w.toVault(w.VaultAddr())
			row.change(&connection)
			_, err := w.startProvider(t, w.configOf(connection)).client(t).Mount(t.Context(), w.own(t, volume, c))
			requireRefused(t, err, row.code, row.says, "gtc-deployer vault apply")
		})
	}
	require.NoError(t, env.apply(t.Context(), w))
	for _, row := range []struct {
		name   string
		change func(*connection)
		says   string
	}{
		{"no KV mount", func(c *connection) { c.KVMount = "absent" }, "absent"},
		{"no transit mount", func(c *connection) { c.TransitMount = "absent" }, "absent"},
		{"no transit key", func(c *connection) { c.TransitKey = "absent" }, "absent"},
	} {
		t.Run(row.name, func(t *testing.T) {
			// A policy that allows everything, so that Vault says what there is not.
			require.NoError(t, w.vault.Sys().PutPolicyWithContext(t.Context(), "gtc."+env.id+".acme.sales", `path "*" { capabilities = ["read", "update"] }`))
			connection := w.toVault(w.VaultAddr())
			row.change(&connection)
			_, err := w.startProvider(t, w.configOf(connection)).client(t).Mount(t.Context(), w.own(t, volume, c))
			requireRefused(t, err, codes.FailedPrecondition, row.says, "gtc-deployer vault apply")
		})
	}
}

// TestAbsentSecrets are secrets that are not there, each in its own way: every one is named, and the mount waits for them.
func TestAbsentSecrets(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		category := unique("absent")
		deleted, tombstone, kept := ref(t, env.sales, category, "deleted"), ref(t, env.sales, category, "tombstone"), ref(t, env.sales, category, "kept")
		w.put(t, deleted, "gone")
		w.remove(t, deleted)
		w.write(t, tombstone, map[string]any{"__greentic_deleted": true})
		w.put(t, kept, `{"a":"b"}`)
		base := "secret://prod/acme/sales/" + category
		c := class{provider: "greentic", scope: env.sales, objects: fmt.Sprintf(`
- ref: %[1]s/never
- ref: %[1]s/deleted
- ref: %[1]s/tombstone
- ref: %[1]s/kept@7
  file: version
- ref: %[1]s/kept
`, base)}
		volume := w.pod(t, env.sales, c.apply(t, w))
		requireRefused(t, volume.Publish(t.Context()), codes.NotFound, "objects[0]: ", "objects[1]: ", "objects[2]: ", "objects[3]: ", "gtc-deployer secrets put")
		requireNothing(t, volume)
		for _, name := range []string{"never", "deleted", "tombstone"} {
			w.put(t, ref(t, env.sales, category, name), "now it is there")
		}
		for n := 2; n <= 7; n++ {
			w.put(t, kept, "version")
		}
		require.NoError(t, volume.Mount(t.Context()))
		assert.Len(t, contents(t, volume), 5)
	})
}

// TestNoSuchKey wants fields that secrets do not have.
func TestNoSuchKey(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	record, plain := ref(t, env.sales, unique("key"), "record"), ref(t, env.sales, unique("key"), "plain")
	w.put(t, record, `{"a":"hidden-words"}`)
	w.write(t, plain, map[string]any{"a": "hidden-words"})
	c := class{scope: env.sales, objects: fmt.Sprintf("- {ref: %q, key: b}\n- {ref: %q, key: b}\n- {ref: %q, file: c}\n", record, plain, plain)}
	volume := w.pod(t, env.sales, "class")
	_, err := provider.client(t).Mount(t.Context(), w.own(t, volume, c))
	requireRefused(t, err, codes.NotFound, "objects[0].key: ", "objects[1].key: ", "objects[2].key: ")
	assert.NotContains(t, err.Error(), "hidden-words")
}

// TestPoisonedRecord is one record of several that does not open: it is one object's fault, and named.
func TestPoisonedRecord(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		category := unique("poisoned")
		good, moved, wrapped, garbage := ref(t, env.sales, category, "good"), ref(t, env.sales, category, "moved"),
			ref(t, env.sales, category, "wrapped"), ref(t, env.sales, category, "garbage")
		w.put(t, good, "a value")
		w.write(t, moved, w.seal(t, good, "another's record"))
		w.write(t, wrapped, sealWith(t, wrapped, "a value", recording.NewDataKey(), "vault:v1:bm90IGEgY2lwaGVydGV4dCBvZiB0cmFuc2l0"))
		w.write(t, garbage, map[string]any{"record": "garbage"})
		base := "secret://prod/acme/sales/" + category
		c := class{provider: "greentic", scope: env.sales, objects: fmt.Sprintf("- ref: %[1]s/good\n- ref: %[1]s/moved\n- ref: %[1]s/wrapped\n- ref: %[1]s/garbage\n", base)}
		volume := w.pod(t, env.sales, c.apply(t, w))
		err := volume.Publish(t.Context())
		requireRefused(t, err, codes.DataLoss, "objects[1]: ", "objects[2]: ", "objects[3]: ", moved.String()[len("secret://"):])
		assert.NotContains(t, err.Error(), "objects[0]")
		requireNothing(t, volume)
	})
}

// TestTooLarge is more than the driver takes. The driver's own refusal would leave the folder: the provider's comes first.
func TestTooLarge(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		secret := ref(t, env.sales, unique("large"), "half-a-megabyte")
		w.put(t, secret, string(make([]byte, 1<<19)))
		objects := ""
		for n := range 8 {
			objects += fmt.Sprintf("- {ref: %q, file: copy-%d}\n", secret, n)
		}
		c := class{provider: "greentic", scope: env.sales, objects: objects}
		volume := w.pod(t, env.sales, c.apply(t, w))
		requireRefused(t, volume.Publish(t.Context()), codes.OutOfRange, "split the class")
		requireNothing(t, volume)

		c.objects = objects[:len(objects)/8*7] // seven of them are as much as the driver takes
		volume = w.mount(t, c)
		assert.Len(t, contents(t, volume), 7)
	})
}
