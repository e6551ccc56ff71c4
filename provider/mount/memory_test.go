package mount_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func TestWhatIsRememberedIsTheSame(t *testing.T) {
	contents := secret.NewString("value")
	response, err := mount.Encode([]mount.File{
		{Path: "z", Mode: 0o400, Contents: contents, Version: "2"},
		{Path: "a/b", Mode: 0o644, Version: "1"},
	})
	require.NoError(t, err)
	remembered, err := mount.Marshal(response)
	require.NoError(t, err)
	for range 2 {
		again, err := mount.Unmarshal(remembered)
		require.NoError(t, err)
		assert.True(t, proto.Equal(response, again))
		again.Files[0].Contents[0] = 'X' // the caller's own
	}
	again, err := mount.Unmarshal(remembered)
	require.NoError(t, err)
	remembered.Wipe()
	contents.Wipe()
	assert.Equal(t, "value", string(again.GetFiles()[0].GetContents()), "what was answered is not wiped with the memory")

	_, err = mount.Unmarshal(secret.NewString("canary"))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "canary")
}
