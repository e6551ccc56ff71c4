package mount_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func TestEncode(t *testing.T) {
	response, err := mount.Encode([]mount.File{
		{Path: "b/c", Mode: 0o400, Contents: secret.NewString("one"), Version: "v1"},
		{Path: "a", Mode: 0o644, Version: "v2"},
	})
	require.NoError(t, err)
	require.Len(t, response.GetFiles(), 2)
	assert.Equal(t, "b/c", response.GetFiles()[0].GetPath(), "in the order that they came in")
	assert.EqualValues(t, 256, response.GetFiles()[0].GetMode())
	assert.Equal(t, "one", string(response.GetFiles()[0].GetContents()))
	assert.Equal(t, "b/c", response.GetObjectVersion()[0].GetId())
	assert.Equal(t, "v1", response.GetObjectVersion()[0].GetVersion())
	assert.Empty(t, response.GetFiles()[1].GetContents())
	assert.Nil(t, response.GetError(), "the driver would show its code and lose the text")
}

func TestEncodeKeepsToTheDriversLimit(t *testing.T) {
	contents := func(n int) []mount.File {
		return []mount.File{{Path: "f", Mode: 0o644, Version: "v", Contents: secret.NewString(strings.Repeat("x", n))}}
	}
	around, err := mount.Encode(contents(1 << 20))
	require.NoError(t, err)
	most := mount.MaxResponse - (proto.Size(around) - 1<<20) - 2 // two length prefixes may need a byte more
	response, err := mount.Encode(contents(most))
	require.NoError(t, err)
	assert.Less(t, proto.Size(response), 4<<20)
	_, err = mount.Encode(contents(most + 4))
	require.ErrorIs(t, err, mount.ErrTooLarge)
	assert.ErrorContains(t, err, "split the class")
}

func TestEncodeNeverSaysThatThereAreNoFiles(t *testing.T) {
	_, err := mount.Encode(nil)
	require.Error(t, err)
}
