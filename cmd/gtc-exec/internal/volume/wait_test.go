package volume_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func never(error) { panic("nothing was to be waited for") }

func TestWaitReturnsAtOnceWhatIsThere(t *testing.T) {
	t.Parallel()
	snapshot, err := volume.Wait(t.Context(), written(t, map[string]string{slackFile: "xoxb"}), promises(t, slackRef), time.Hour, never)
	require.NoError(t, err)
	value, _ := snapshot.Value(slack)
	assert.Equal(t, "xoxb", value.RevealString())
}

func TestWaitDoesNotLookWhereNothingIsPromised(t *testing.T) {
	t.Parallel()
	_, err := volume.Wait(t.Context(), "/nowhere", promises(t), 0, never)
	require.NoError(t, err)
}

func TestWaitUntilTheLastSecretComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := written(t, map[string]string{slackFile: "xoxb"})
		start := time.Now()
		time.AfterFunc(30*time.Second, func() { rewrite(t, folder, map[string]string{slackFile: "xoxb", openaiFile: "sk"}) })
		var told []error
		waiting := func(err error) { told = append(told, err) }
		snapshot, err := volume.Wait(t.Context(), folder, promises(t, slackRef, openaiRef), time.Minute, waiting)
		require.NoError(t, err)
		value, _ := snapshot.Value(openai)
		assert.Equal(t, "sk", value.RevealString())
		assert.InDelta(t, 30, time.Since(start).Seconds(), 0.1)
		require.Len(t, told, 1, "said once, not at every look")
		assert.ErrorContains(t, told[0], openaiRef)
		assert.NotContains(t, told[0].Error(), slackRef)
	})
}

func TestWaitGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		folder := written(t, map[string]string{slackFile: "xoxb"})
		_, err := volume.Wait(t.Context(), folder, promises(t, slackRef, openaiRef), time.Minute, func(error) {})
		require.ErrorIs(t, err, volume.ErrMissing)
		require.EqualError(t, err, "waiting 1m0s for the volume: "+openaiRef+` is not in the volume: there is no file "`+openaiFile+`"`)
		assert.InDelta(t, 60, time.Since(start).Seconds(), 0.1)
	})
}

func TestWaitOfZeroLooksOnce(t *testing.T) {
	t.Parallel()
	_, err := volume.Wait(t.Context(), t.TempDir(), promises(t, slackRef), 0, never)
	require.ErrorIs(t, err, volume.ErrMissing)
}

func TestWaitDoesNotWaitForWhatWaitingCannotMend(t *testing.T) {
	t.Parallel()
	folder := written(t, map[string]string{openaiFile: "sk"})
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "..data", slackFile), 0o755))
	_, err := volume.Wait(t.Context(), folder, promises(t, slackRef, "secret://prod/acme/_/many/a"), time.Hour, never)
	require.ErrorIs(t, err, volume.ErrUnreadable)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("somebody pulled the plug")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := volume.Wait(ctx, t.TempDir(), promises(t, slackRef), time.Hour, func(error) { cancel(cause) })
	require.ErrorIs(t, err, cause)
}
