//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func TestVariables(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: canary + "\n", "key": "sk"})
	env := []string{
		"SLACK=" + slackRef, "OPENAI=secrets://prod/acme/default/openai/api_key", "ABSENT=" + openaiRef + "@2", "OTHER=as it was",
	}
	got := run(t, env,
		"run", "--volume", folder, "--secret", slackRef, "--secret", openaiRef+"=key", "--optional-secret", openaiRef+"@2=absent",
		"--", "sh", "-c", `echo "[$SLACK] [$OPENAI] [${ABSENT-not set}] [$OTHER] [$1] [$2]"`, "sh", "--secret", slackRef)
	assert.Equal(t, outcome{stdout: "[" + canary + "\n] [sk] [not set] [as it was] [--secret] [" + slackRef + "]\n"}, got)
}

func TestAWorkerWithoutSecrets(t *testing.T) {
	t.Parallel()
	got := run(t, nil, "run", "--", "sh", "-c", "echo here; echo there >&2; exit 3")
	assert.Equal(t, outcome{code: 3, stdout: "here\n", stderr: "there\n"}, got)
}

func TestValuesThatAreNoVariable(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	for _, row := range []struct{ name, value, message string }{
		{"NUL", canary + "\x00", "holds a NUL byte, which no variable can: read it as a file"},
		{"long", strings.Repeat(canary, 32*os.Getpagesize()/len(canary)+1), "is longer than the"},
	} {
		folder := volumeOf(t, map[string]string{slackFile: row.value})
		got := run(t, []string{"SLACK=" + slackRef}, "run", "--volume", folder, "--secret", slackRef, "--", "touch", started)
		assert.Equal(t, 65, got.code, row.name)
		assert.Contains(t, got.stderr, `"SLACK": `+slackRef+" "+row.message)
		assert.NotContains(t, got.stderr, canary)
		assert.NoFileExists(t, started)

		got = run(t, nil, "run", "--volume", folder, "--secret", slackRef, "--", "true")
		assert.Equal(t, outcome{}, got, "%s: as a file it is right", row.name)
	}
}

func TestWaitsForTheVolume(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, nil)
	writer := atomicwriter.New(folder)
	cmd := command(t, []string{"SLACK=" + slackRef},
		"run", "--volume", folder, "--secret", slackRef, "--secret", openaiRef, "--", "sh", "-c", "echo $SLACK")
	var stdout, stderr lines
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	stderr.next(t, "gtc-exec: waiting up to 1m0s for the volume:")
	require.NoError(t, writer.Write(map[string]string{slackFile: "early"}))
	time.Sleep(200 * time.Millisecond) // some looks, at which one of two is there
	assert.Empty(t, stdout.text())
	require.NoError(t, writer.Write(map[string]string{slackFile: canary, openaiFile: "sk"}))
	require.NoError(t, cmd.Wait())
	assert.Equal(t, canary+"\n", stdout.text())
	assert.Equal(t, 1, strings.Count(stderr.text(), "waiting"), "it is said once")
	assert.NotContains(t, stderr.text(), canary)
}

func TestGivesUpOnTheVolume(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	args := func(folder string) []string {
		return []string{
			"run", "--volume", folder, "--wait", "200ms", "--secret", slackRef, "--secret", openaiRef, "--optional-secret", openaiRef + "@2=x",
			"--", "touch", started,
		}
	}
	written := volumeOf(t, map[string]string{slackFile: canary})
	empty := volumeOf(t, nil)
	for _, row := range []struct {
		name, folder string
		missing      []string
		there        string
	}{
		{"one is missing", written, []string{openaiRef + ` is not in the volume: there is no file "` + openaiFile + `"`}, slackRef},
		{"never written", empty, []string{slackRef + " is not in the volume: the driver has not written", openaiRef}, openaiRef + "@2"},
		{"not mounted", empty + "/absent", []string{"there is no folder", "mount the CSI volume there"}, openaiRef + "@2"},
	} {
		got := run(t, nil, args(row.folder)...)
		assert.Equal(t, 69, got.code, row.name)
		for _, message := range append(row.missing, "waiting 200ms for the volume: ", "kubectl describe pod") {
			assert.Contains(t, got.stderr, message, row.name)
		}
		assert.NotContains(t, got.stderr, row.there, row.name)
		assert.NotContains(t, got.stderr, canary)
		assert.NoFileExists(t, started, row.name)
	}
}

func TestUnreadableSecretsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile + "/below": canary})
	start := time.Now()
	got := run(t, nil, "run", "--volume", folder, "--wait", "1h", "--secret", slackRef, "--", "true")
	assert.Equal(t, 69, got.code)
	assert.Contains(t, got.stderr, slackRef+` is not readable: "`+slackFile+`" is not a regular file`)
	assert.Less(t, time.Since(start), 10*time.Second)
}

func TestDevStore(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: canary, "key": "sk", "unpromised": "other"})
	path := filepath.Join(memory(t), ".dev.secrets.env")
	args := []string{
		"run", "--volume", folder, "--secret", slackRef, "--secret", openaiRef + "=key", "--optional-secret", openaiRef + "_old",
		"--dev-store", path, "--", "sh", "-c", "echo $GREENTIC_DEV_SECRETS_PATH",
	}
	for _, row := range []struct {
		name string
		env  []string
		key  string
	}{
		{"no key", nil, ""},
		{"the variable is there already", []string{"GREENTIC_DEV_SECRETS_PATH=" + path}, ""},
		{"a key", []string{"GREENTIC_DEV_MASTER_KEY=material"}, "material"},
		{"a key that is a secret itself", []string{"GREENTIC_DEV_MASTER_KEY=" + slackRef}, canary},
	} {
		got := run(t, row.env, args...)
		require.Equal(t, outcome{stdout: path + "\n"}, got, row.name)
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
		contents, err := os.ReadFile(path)
		require.NoError(t, err)
		entries, err := record.ReadDevStore(contents, secret.NewString(row.key))
		require.NoError(t, err, row.name)
		require.Len(t, entries, 2, "the promised secrets that are there, and no others")
		assert.Equal(t, openaiRef, entries[0].Meta.Ref.String())
		assert.Equal(t, "sk", entries[0].Value.RevealString())
		assert.Equal(t, slackRef, entries[1].Meta.Ref.String())
		assert.Equal(t, canary, entries[1].Value.RevealString())
	}
}

func TestDevStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: canary})
	path := filepath.Join(memory(t), "store")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "taken"), 0o755))
	got := run(t, nil, "run", "--volume", folder, "--secret", slackRef, "--dev-store", path, "--", "echo", "started")
	assert.Equal(t, 73, got.code)
	assert.Contains(t, got.stderr, "dev-store not written")
	assert.Empty(t, got.stdout)
	assert.NotContains(t, got.stderr, canary)
}

// Workers that start while the volume is rotated get the secrets of one generation, never of two.
func TestStartDuringRotation(t *testing.T) {
	t.Parallel()
	const rotations = 200
	folder := volumeOf(t, map[string]string{slackFile: "0", openaiFile: "0"})
	writer := atomicwriter.New(folder)
	done := make(chan error, 1)
	go func() {
		for i := 1; i <= rotations; i++ {
			generation := strconv.Itoa(i)
			if err := writer.Write(map[string]string{slackFile: generation, openaiFile: generation}); err != nil {
				done <- err
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
		done <- nil
	}()
	last, starts := 0, 0
	for finished := false; !finished; starts++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			finished = true
		default:
		}
		got := run(t, []string{"A=" + slackRef, "B=" + openaiRef},
			"run", "--volume", folder, "--secret", slackRef, "--secret", openaiRef, "--", "sh", "-c", "echo $A $B")
		require.Equal(t, 0, got.code, got.stderr)
		a, b, _ := strings.Cut(strings.TrimSpace(got.stdout), " ")
		require.Equal(t, a, b, "a mix of two generations")
		generation, err := strconv.Atoi(a)
		require.NoError(t, err)
		require.GreaterOrEqual(t, generation, last)
		last = generation
	}
	assert.Equal(t, rotations, last)
	t.Logf("%d starts during %d rotations", starts, rotations)
}
