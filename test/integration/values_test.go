package integration_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ref is a reference of the scope.
func ref(t *testing.T, scope secretref.Scope, category, name string) secretref.Reference {
	t.Helper()
	r, err := scope.Reference(category, name)
	require.NoError(t, err)
	return r
}

// put stores value as a record and returns its version.
func (w *world) put(t *testing.T, r secretref.Reference, value string) int {
	t.Helper()
	return w.write(t, r, w.seal(t, r, value))
}

// seal is value as a record of r, with a data key of its own that Vault's transit engine has wrapped.
func (w *world) seal(t *testing.T, r secretref.Reference, value string) map[string]any {
	t.Helper()
	key := record.NewDataKey()
	answer, err := w.vault.Logical().WriteWithContext(t.Context(), "transit/encrypt/greentic",
		map[string]any{"plaintext": base64.StdEncoding.EncodeToString(key.Reveal())})
	require.NoError(t, err)
	return sealWith(t, r, value, key, answer.Data["ciphertext"].(string))
}

// sealWith is value as a record of r whose wrapped data key is wrapped.
func sealWith(t *testing.T, r secretref.Reference, value string, key secret.Value, wrapped string) map[string]any {
	t.Helper()
	sealed, err := record.Seal(record.Meta{Ref: r}, secret.NewString(value), key, wrapped)
	require.NoError(t, err)
	return sealed
}

// write stores fields as they are, which is a plain secret unless they are a record's.
func (w *world) write(t *testing.T, r secretref.Reference, fields map[string]any) int {
	t.Helper()
	stored, err := w.vault.KVv2("secret").Put(t.Context(), "greentic/"+r.Key(), fields)
	require.NoError(t, err)
	return stored.VersionMetadata.Version
}

// remove deletes the newest version, as "vault kv delete" does.
func (w *world) remove(t *testing.T, r secretref.Reference) {
	t.Helper()
	require.NoError(t, w.vault.KVv2("secret").Delete(t.Context(), "greentic/"+r.Key()))
}
