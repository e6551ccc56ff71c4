//go:build linux

package devstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/devstore"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

const (
	slackRef  = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	signRef   = "secret://prod/acme/sales/messaging-slack/slack_signing_secret"
	openaiRef = "secret://prod/acme/_/openai/api_key"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "a master key"} {
		path := filepath.Join(memory(t), ".dev.secrets.env")
		place, err := devstore.Find(path)
		require.NoError(t, err)
		defer func() { require.NoError(t, place.Close()) }()
		promises, snapshot := read(t, map[string]string{"a": "xoxb", "b": "\xff\x00", "unpromised": "other"},
			slackRef+"=a", signRef+"@4=b", "?"+openaiRef)
		for range 2 { // a container may be restarted: the file is replaced
			require.NoError(t, place.Write(promises, snapshot, key))
		}

		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
		beside, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		assert.Len(t, beside, 1, "nothing is left beside it")
		contents, err := os.ReadFile(path)
		require.NoError(t, err)
		entries, err := record.ReadDevStore(contents, secret.NewString(key))
		require.NoError(t, err)
		require.Len(t, entries, 2, "the promised secrets that are there, and no others")
		assert.Equal(t, slackRef, entries[0].Meta.Ref.String())
		assert.Equal(t, "xoxb", entries[0].Value.RevealString())
		assert.Equal(t, record.ContentText, entries[0].Meta.ContentType)
		assert.Equal(t, signRef, entries[1].Meta.Ref.String(), "a dev-store's key has no version")
		assert.Equal(t, "\xff\x00", entries[1].Value.RevealString())
		assert.Equal(t, record.ContentBinary, entries[1].Meta.ContentType)
	}
}

func TestAKeyThatIsNotUTF8IsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(memory(t), "store")
	place, err := devstore.Find(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, place.Close()) }()
	promises, snapshot := read(t, map[string]string{"a": "xoxb"}, slackRef+"=a")
	require.NoError(t, place.Write(promises, snapshot, "\xff"))
	contents, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = record.ReadDevStore(contents, secret.NewString(""))
	require.NoError(t, err)
}

func TestWriteRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(memory(t), "store")
	place, err := devstore.Find(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, place.Close()) }()
	large := strings.Repeat("s", volume.MaxFile)
	promises, snapshot := read(t, map[string]string{"a": large, "b": large}, slackRef+"=a", signRef+"=b")
	err = place.Write(promises, snapshot, "")
	require.ErrorIs(t, err, devstore.ErrContents)
	assert.NoFileExists(t, path)
}

func TestWriteFailsWhole(t *testing.T) {
	t.Parallel()
	folder := memory(t)
	path := filepath.Join(folder, "store")
	place, err := devstore.Find(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, place.Close()) }()
	require.NoError(t, os.MkdirAll(filepath.Join(path, "taken"), 0o755))
	promises, snapshot := read(t, map[string]string{"a": "xoxb"}, slackRef+"=a")
	err = place.Write(promises, snapshot, "")
	require.ErrorIs(t, err, devstore.ErrWrite)
	beside, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, beside, 1, "no half of a file is left")
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	folder := memory(t)
	valid, err := devstore.Find(filepath.Join(folder, "store"))
	require.NoError(t, err, "the baseline is valid")
	require.NoError(t, valid.Close())
	const disk = "/proc" // is for certain no tmpfs, wherever the tests run
	link := filepath.Join(folder, "link")
	require.NoError(t, os.Symlink(disk, link))
	for _, row := range []struct{ path, message string }{
		{"", `"" is not an absolute, clean path`},
		{"store", `"store" is not an absolute, clean path`},
		{folder + "/a/../store", "is not an absolute, clean path"},
		{folder + "/", "is not an absolute, clean path"},
		{"/", "is not an absolute, clean path"},
		{folder + "/absent/store", "no such file or directory, mount an emptyDir with medium Memory there"},
		{disk + "/store", `folder "` + disk + `" is not memory-backed and secrets must not reach a disk`},
		{link + "/store", "is not memory-backed"},
	} {
		_, err := devstore.Find(row.path)
		require.ErrorIs(t, err, devstore.ErrPlace, row.path)
		assert.ErrorContains(t, err, row.message)
	}
}

func TestCheckRefusesTwoVersionsOfASecret(t *testing.T) {
	t.Parallel()
	promises, _ := read(t, map[string]string{"a": "", "b": "", "c": ""}, slackRef+"=a", signRef+"=b", openaiRef+"=c")
	require.NoError(t, devstore.Check(promises))
	promises, _ = read(t, map[string]string{"a": "", "b": "", "c": ""}, slackRef+"=a", slackRef+"@2=b", openaiRef+"=c")
	err := devstore.Check(promises)
	require.ErrorIs(t, err, devstore.ErrPromises)
	assert.EqualError(t, err, "not one dev-store: "+slackRef+" and "+slackRef+"@2 are the same secret, and a dev-store has one value for it")
}

// memory is a folder of this test on a tmpfs.
func memory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "gtc-exec-test-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(folder)) })
	return folder
}

func read(t *testing.T, files map[string]string, texts ...string) (volume.Promises, volume.Snapshot) {
	t.Helper()
	var list []volume.Promise
	for _, text := range texts {
		reference, optional := strings.CutPrefix(text, "?")
		promise, err := volume.ParsePromise(reference, optional)
		require.NoError(t, err)
		list = append(list, promise)
	}
	promises, err := volume.NewPromises(list)
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, atomicwriter.New(folder).Write(files))
	snapshot, err := volume.Read(folder, promises)
	require.NoError(t, err)
	return promises, snapshot
}
