package volume_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
)

// watched is a volume under a Watch that looks once a second of the test's own time, and what it told.
type watched struct {
	folder   string
	changes  []map[string]string // the values of slack and openai, those that are there
	faults   []string
	held     []volume.Snapshot
	refusing atomic.Bool // Changed refuses
}

// watch watches a volume that holds "xoxb" and "sk", and promises the second as optional.
func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{folder: written(t, map[string]string{slackFile: "xoxb", openaiFile: "sk"})}
	promised := promises(t, slackRef, "?"+openaiRef)
	first, err := volume.Read(w.folder, promised)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		volume.Watch{
			Folder: w.folder, Promises: promised, Every: time.Second,
			Changed: func(s volume.Snapshot) error {
				values := map[string]string{}
				for _, ref := range []string{slackRef, openaiRef} {
					if value, found := s.Value(promise(t, ref).Ref()); found {
						values[ref] = value.RevealString()
					}
				}
				w.changes, w.held = append(w.changes, values), append(w.held, s)
				if w.refusing.Load() {
					return errors.New("no space")
				}
				return nil
			},
			Failed: func(err error) { w.faults = append(w.faults, err.Error()) },
		}.Run(ctx, first.Digest())
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	time.Sleep(time.Second / 2) // so that the test acts between two looks
	return w
}

// looks lets the watch look n times.
func looks(n int) {
	time.Sleep(time.Duration(n) * time.Second)
	synctest.Wait()
}

func TestWatchTellsWhatChangedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		looks(3)
		require.Empty(t, w.changes, "what is known is no change")
		rewrite(t, w.folder, map[string]string{slackFile: "xoxb", openaiFile: "sk"})
		looks(3)
		require.Empty(t, w.changes, "a swap alone is no change")
		rewrite(t, w.folder, map[string]string{slackFile: "xoxb", openaiFile: "sk", "unpromised": "x"})
		looks(3)
		require.Empty(t, w.changes, "nor is what is not promised")

		rewrite(t, w.folder, map[string]string{slackFile: "new", openaiFile: "sk"})
		looks(3)
		require.Equal(t, []map[string]string{{slackRef: "new", openaiRef: "sk"}}, w.changes)
		value, _ := w.held[0].Value(slack)
		assert.True(t, value.IsEmpty(), "it is wiped afterwards")
		rewrite(t, w.folder, map[string]string{slackFile: "new", openaiFile: "sk"})
		looks(3)
		require.Len(t, w.changes, 1, "now that is known")

		rewrite(t, w.folder, map[string]string{slackFile: "new"})
		looks(3)
		require.Equal(t, map[string]string{slackRef: "new"}, w.changes[1], "an optional secret goes")
		rewrite(t, w.folder, map[string]string{slackFile: "new", openaiFile: ""})
		looks(3)
		require.Equal(t, map[string]string{slackRef: "new", openaiRef: ""}, w.changes[2], "and comes, empty")
		assert.Len(t, w.changes, 3)
		assert.Empty(t, w.faults)
	})
}

func TestWatchReadsAGenerationOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		looks(2)
		require.NoError(t, os.Remove(filepath.Join(w.folder, "..data", slackFile))) // which the driver never does
		looks(5)
		assert.Empty(t, w.faults)
	})
}

func TestWatchTakesABurstForOneChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		looks(1)
		for i := range 50 {
			rewrite(t, w.folder, map[string]string{slackFile: strconv.Itoa(i), openaiFile: "sk"})
		}
		looks(3)
		assert.Equal(t, []map[string]string{{slackRef: "49", openaiRef: "sk"}}, w.changes)
	})
}

func TestWatchKeepsTheLastCompleteState(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, message string
		spoil         func(t *testing.T, folder string)
	}{
		{
			"a file is absent", slackRef + ` is not in the volume: there is no file "` + slackFile + `"`,
			func(t *testing.T, folder string) { rewrite(t, folder, map[string]string{openaiFile: "sk"}) },
		},
		{
			"a file is no file", slackRef + " is not readable",
			func(t *testing.T, folder string) { rewrite(t, folder, map[string]string{slackFile + "/x": "xoxb"}) },
		},
		{
			"no generation", "the driver has not written",
			func(t *testing.T, folder string) { require.NoError(t, os.Remove(filepath.Join(folder, "..data"))) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := watch(t)
				looks(2)
				row.spoil(t, w.folder)
				looks(5)
				require.Len(t, w.faults, 1, "said once, not at every look")
				assert.Contains(t, w.faults[0], row.message)
				assert.NotContains(t, w.faults[0], "xoxb")
				rewrite(t, w.folder, map[string]string{slackFile: "xoxb", openaiFile: "sk"})
				looks(2)
				require.Empty(t, w.changes, "it is again as it was")
				row.spoil(t, w.folder)
				looks(2)
				require.Len(t, w.faults, 2, "another time is said again")
				rewrite(t, w.folder, map[string]string{slackFile: "new", openaiFile: "sk"})
				looks(2)
				assert.Equal(t, []map[string]string{{slackRef: "new", openaiRef: "sk"}}, w.changes)
				assert.Len(t, w.faults, 2)
			})
		})
	}
}

func TestWatchOffersAgainWhatWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.refusing.Store(true)
		rewrite(t, w.folder, map[string]string{slackFile: "new", openaiFile: "sk"})
		looks(3)
		require.Len(t, w.changes, 3)
		require.Equal(t, []string{"no space"}, w.faults, "said once")
		w.refusing.Store(false)
		looks(3)
		assert.Len(t, w.changes, 4, "until it is taken")
		assert.Len(t, w.faults, 1)
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	volume.Watch{
		Folder: written(t, map[string]string{slackFile: "xoxb"}), Promises: promises(t, slackRef), Every: time.Millisecond,
		Changed: func(volume.Snapshot) error {
			cancel()
			return ctx.Err()
		},
		Failed: func(error) { t.Error("the end is no failure") },
	}.Run(ctx, volume.Digest{})
}

// A watcher during 200 rotations sees whole generations, none older than the one before, and in the end the last.
func TestWatchNeverMixesGenerations(t *testing.T) {
	t.Parallel()
	const rotations = 200
	folder := t.TempDir()
	writer := atomicwriter.New(folder)
	write := func(generation int) error {
		text := strconv.Itoa(generation)
		return writer.Write(map[string]string{slackFile: text, openaiFile: text})
	}
	require.NoError(t, write(0))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var rotating sync.WaitGroup
	rotating.Go(func() {
		for i := 1; i <= rotations; i++ {
			assert.NoError(t, write(i))
			time.Sleep(time.Millisecond)
		}
	})
	last, seen := -1, 0
	volume.Watch{
		Folder: folder, Promises: promises(t, slackRef, "?"+openaiRef), Every: 100 * time.Microsecond,
		Changed: func(s volume.Snapshot) error {
			a, _ := s.Value(slack)
			b, found := s.Value(openai)
			assert.True(t, found, "an optional secret vanished")
			assert.Equal(t, a.RevealString(), b.RevealString(), "a mix of two generations")
			generation, err := strconv.Atoi(a.RevealString())
			assert.NoError(t, err)
			assert.Greater(t, generation, last)
			last, seen = generation, seen+1
			if last == rotations {
				cancel()
			}
			return nil
		},
		Failed: func(err error) { assert.NoError(t, err) },
	}.Run(ctx, volume.Digest{})
	rotating.Wait()
	assert.Equal(t, rotations, last)
	t.Logf("saw %d of %d generations", seen, rotations+1)
}

func TestDigestTellsSnapshotsApart(t *testing.T) {
	t.Parallel()
	seen := map[volume.Digest]string{}
	for _, row := range []struct {
		name  string
		files map[string]string
	}{
		{"none", map[string]string{"x": ""}},
		{"one, empty", map[string]string{slackFile: ""}},
		{"the other, empty", map[string]string{openaiFile: ""}},
		{"both, empty", map[string]string{slackFile: "", openaiFile: ""}},
		{"cut here", map[string]string{slackFile: "ab", openaiFile: "c"}},
		{"cut there", map[string]string{slackFile: "a", openaiFile: "bc"}},
		{"swapped", map[string]string{slackFile: "c", openaiFile: "ab"}},
		{"a forged end", map[string]string{openaiFile: slackRef + " 0\n"}},
	} {
		digest := func() volume.Digest {
			snapshot, err := volume.Read(written(t, row.files), promises(t, "?"+slackRef, "?"+openaiRef))
			require.NoError(t, err)
			return snapshot.Digest()
		}
		first := digest()
		assert.Equal(t, first, digest(), "%s: whatever the volume and the order", row.name)
		assert.Empty(t, seen[first], "%s is taken for it", row.name)
		seen[first] = row.name
	}
}
