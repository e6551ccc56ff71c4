package volume_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const (
	slackFile  = "sales/messaging-slack/slack_bot_token"
	openaiFile = "_/openai/api_key"
)

var (
	slack  = secretref.MustParse(slackRef)
	openai = secretref.MustParse(openaiRef)
)

func TestRead(t *testing.T) {
	t.Parallel()
	folder := written(t, map[string]string{slackFile: "xoxb\n", openaiFile: ""})
	snapshot, err := volume.Read(folder, promises(t, slackRef, openaiRef, "?"+openaiRef+"@2=old"))
	require.NoError(t, err)
	value, found := snapshot.Value(slack)
	assert.True(t, found)
	assert.Equal(t, "xoxb\n", value.RevealString(), "byte for byte, with the newline")
	value, found = snapshot.Value(openai)
	assert.True(t, found, "an empty file is an empty value")
	assert.True(t, value.IsEmpty())
	_, found = snapshot.Value(secretref.MustParse(openaiRef + "@2"))
	assert.False(t, found, "an optional secret may be absent")

	held, _ := snapshot.Value(slack)
	snapshot.Wipe()
	assert.True(t, held.IsEmpty())
}

func TestReadNamesEveryFault(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		change  func(t *testing.T, folder string)
		err     error
		message []string
	}{
		{
			"file absent",
			func(t *testing.T, folder string) { rewrite(t, folder, map[string]string{openaiFile: "sk"}) },
			volume.ErrMissing,
			[]string{slackRef + ` is not in the volume: there is no file "` + slackFile + `"`},
		},
		{
			"every file absent",
			func(t *testing.T, folder string) { rewrite(t, folder, map[string]string{".greentic-empty": ""}) },
			volume.ErrMissing,
			[]string{slackRef + " is not in the volume", openaiRef + " is not in the volume"},
		},
		{
			"a file where a folder is needed",
			func(t *testing.T, folder string) {
				rewrite(t, folder, map[string]string{openaiFile: "sk", "sales": ""})
			},
			volume.ErrMissing,
			[]string{slackRef + " is not in the volume"},
		},
		{
			"never written",
			func(t *testing.T, folder string) { require.NoError(t, os.Remove(filepath.Join(folder, "..data"))) },
			volume.ErrMissing,
			[]string{slackRef + " is not in the volume: the driver has not written", openaiRef + " is not in the volume"},
		},
		{
			"not mounted",
			func(t *testing.T, folder string) { require.NoError(t, os.RemoveAll(folder)) },
			volume.ErrMissing,
			[]string{"there is no folder", "mount the CSI volume there"},
		},
		{
			"a folder where a file is needed",
			func(t *testing.T, folder string) {
				rewrite(t, folder, map[string]string{openaiFile: "sk", slackFile + "/x": ""})
			},
			volume.ErrUnreadable,
			[]string{slackRef + ` is not readable: "` + slackFile + `" is not a regular file`},
		},
		{
			"a pipe, which nobody writes to",
			func(t *testing.T, folder string) {
				file := filepath.Join(folder, slackFile)
				require.NoError(t, os.Remove(file))
				require.NoError(t, syscall.Mkfifo(file, 0o644))
			},
			volume.ErrUnreadable,
			[]string{"is not a regular file"},
		},
		{
			"a link out of the volume",
			func(t *testing.T, folder string) {
				file := filepath.Join(folder, slackFile)
				require.NoError(t, os.Remove(file))
				require.NoError(t, os.Symlink("/etc/hostname", file))
			},
			volume.ErrUnreadable,
			[]string{slackRef + " is not readable", "path escapes"},
		},
		{
			"too large",
			func(t *testing.T, folder string) {
				rewrite(t, folder, map[string]string{openaiFile: "sk", slackFile: strings.Repeat("s", volume.MaxFile+1)})
			},
			volume.ErrUnreadable,
			[]string{"is larger than 4194304 bytes"},
		},
		{
			"..data is a loop",
			func(t *testing.T, folder string) {
				require.NoError(t, os.Remove(filepath.Join(folder, "..data")))
				require.NoError(t, os.Symlink("..data", filepath.Join(folder, "..data")))
			},
			volume.ErrUnreadable,
			[]string{"volume", "is not readable", "too many levels"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			folder := written(t, map[string]string{slackFile: "xoxb", openaiFile: "sk"})
			valid := promises(t, slackRef, openaiRef)
			_, err := volume.Read(folder, valid)
			require.NoError(t, err, "the baseline is valid")
			row.change(t, folder)
			snapshot, err := volume.Read(folder, valid)
			require.ErrorIs(t, err, row.err)
			for _, message := range row.message {
				assert.ErrorContains(t, err, message)
			}
			_, found := snapshot.Value(openai)
			assert.False(t, found, "there is no partial snapshot")
			assert.NotContains(t, err.Error(), "xoxb")
		})
	}
}

func TestOptionalSecretsAreKnownOnceTheVolumeIsWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, err := volume.Read(folder, promises(t, "?"+slackRef))
	require.ErrorIs(t, err, volume.ErrMissing)
	assert.ErrorContains(t, err, "every optional secret is not in the volume: the driver has not written")
	rewrite(t, folder, map[string]string{".greentic-empty": ""})
	_, err = volume.Read(folder, promises(t, "?"+slackRef))
	require.NoError(t, err)
}

// A reader during 200 rotations sees one generation or another: all its files are of the same one, and never an older one than before.
// Optional files are among them, so that a file that vanishes with its folder is not taken for an absent one.
func TestReadNeverMixesGenerations(t *testing.T) {
	t.Parallel()
	const rotations = 200
	folder := t.TempDir()
	writer := atomicwriter.New(folder)
	names := []string{slackRef, openaiRef, "?secret://prod/acme/_/many/a", "?secret://prod/acme/_/many/b", "?secret://prod/acme/_/many/c"}
	all := promises(t, names...)
	write := func(generation int) error {
		files := make(map[string]string)
		for _, p := range all.All() {
			files[p.File()] = strconv.Itoa(generation)
		}
		return writer.Write(files)
	}
	require.NoError(t, write(0))

	var rotating sync.WaitGroup
	done := make(chan error, 1)
	rotating.Go(func() {
		for i := 1; i <= rotations; i++ {
			if err := write(i); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	})
	defer rotating.Wait()
	last, reads, changes := 0, 0, 0
	for finished := false; !finished; reads++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			finished = true // and read once more: the last generation
		default:
		}
		snapshot, err := volume.Read(folder, all)
		require.NoError(t, err)
		first, _ := snapshot.Value(slack)
		generation, err := strconv.Atoi(first.RevealString())
		require.NoError(t, err)
		require.GreaterOrEqual(t, generation, last)
		for _, p := range all.All() {
			value, found := snapshot.Value(p.Ref())
			require.True(t, found, "%s vanished in generation %d", p.Ref(), generation)
			require.Equal(t, first.RevealString(), value.RevealString(), p.Ref())
		}
		if generation != last {
			changes++
		}
		last = generation
	}
	assert.Equal(t, rotations, last)
	t.Logf("%d reads saw %d of %d generations", reads, changes+1, rotations+1)
}

func written(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.Mkdir(folder, 0o755))
	rewrite(t, folder, files)
	return folder
}

func rewrite(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	require.NoError(t, atomicwriter.New(folder).Write(files))
}
