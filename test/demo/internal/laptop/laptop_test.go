package laptop_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
)

func TestWhoMayTell(t *testing.T) {
	secrets := laptop.Secrets()
	require.Equal(t, laptop.Rotated, secrets[0].Ref)
	sales, tenants := secrets[0], secrets[4]
	require.Equal(t, "_", tenants.Ref.Scope().Team())
	require.NoError(t, sales.ToldBy("sales", "x sha256="+sales.Digest()+" bytes=1"))
	require.NoError(t, sales.ToldBy("support", "nothing"))
	require.NoError(t, tenants.ToldBy("support", tenants.Digest()))
	require.ErrorContains(t, sales.ToldBy("sales", "nothing"), "is read: false, and it is the worker's: true")
	require.ErrorContains(t, sales.ToldBy("support", sales.Digest()), "is read: true, and it is the worker's: false")
	require.ErrorContains(t, tenants.ToldBy("support", sales.Digest()), "is read: false")
}

func TestTheFileHidesItsValuesAndASearchFindsThem(t *testing.T) {
	secrets := laptop.Secrets()
	path := filepath.Join(t.TempDir(), ".dev.secrets.env")
	size, err := laptop.Write(path, secrets)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Len(t, text, size)
	set, err := laptop.Canaries(secrets...)
	require.NoError(t, err)
	assert.Empty(t, set.Find(text), "records are sealed")
	for _, s := range secrets {
		assert.NotEmpty(t, set.Find([]byte("x"+s.Value.RevealString())), s.Ref)
	}
	_, err = laptop.Write(filepath.Join(path, "below"), secrets)
	require.Error(t, err)
}
