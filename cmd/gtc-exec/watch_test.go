//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// someLooks is the time for gtc-exec to look at the volume more than once.
const someLooks = 2500 * time.Millisecond

// rotated is a worker behind a gtc-exec that watches a volume of one secret, whose value is canary at the beginning.
type rotated struct {
	worker
	volume atomicwriter.Volume
	stderr *lines
}

// watching starts it in mode, with the flags before the program. The variable SLACK is the secret.
func watching(t *testing.T, mode string, flags ...string) rotated {
	t.Helper()
	folder := volumeOf(t, map[string]string{slackFile: canary})
	args := append([]string{"run", "--volume", folder, "--secret", slackRef}, flags...)
	r := rotated{volume: atomicwriter.New(folder), stderr: &lines{}}
	cmd := underRace(command(t, []string{"SLACK=" + slackRef}, append(args, "--", self(t))...))
	cmd.Stderr = r.stderr
	r.worker, _ = start(t, cmd, mode)
	t.Cleanup(func() {
		assert.NotContains(t, r.stderr.text(), "DATA RACE")
		assert.NotContains(t, r.stderr.text(), canary)
	})
	return r
}

func underRace(cmd *exec.Cmd) *exec.Cmd {
	cmd.Path, cmd.Args[0] = raceBinary, raceBinary
	return cmd
}

func (r rotated) rotate(t *testing.T, value string) {
	t.Helper()
	require.NoError(t, r.volume.Write(map[string]string{slackFile: value}))
}

// storeValue is the secret's value in the dev-store at path.
func storeValue(t *testing.T, path, key string) string {
	t.Helper()
	contents, err := os.ReadFile(path)
	require.NoError(t, err)
	entries, err := record.ReadDevStore(contents, secret.NewString(key))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return entries[0].Value.RevealString()
}

func TestWatchRewrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(memory(t), "store")
	r := watching(t, "signals", "--dev-store", path, "--watch", "rewrite")
	require.Equal(t, canary, storeValue(t, path, ""))
	for i, value := range []string{canary + "-2", canary + "-3"} {
		r.rotate(t, value)
		require.Eventually(t, func() bool { return storeValue(t, path, "") == value }, 10*time.Second, 5*time.Millisecond)
		r.rotate(t, value)
		time.Sleep(someLooks)
		assert.Equal(t, strings.Repeat("gtc-exec: the volume's secrets changed: rewrote the dev-store\n", i+1), r.stderr.text(),
			"a swap that changes nothing does nothing")
	}
	r.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", r.line(t), "the first that the worker hears of")
	assert.Equal(t, 7, r.wait(t))
}

func TestWatchSignals(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]unix.Signal{
		"HUP": unix.SIGHUP, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2, "INT": unix.SIGINT, "QUIT": unix.SIGQUIT, "TERM": unix.SIGTERM,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(memory(t), "store")
			r := watching(t, "signals", "--dev-store", path, "--watch", "signal="+name)
			r.rotate(t, "new")
			require.Equal(t, fmt.Sprintf("signal %d", int(sig)), r.line(t))
			assert.Equal(t, "new", storeValue(t, path, ""), "it is there before the signal")
			if sig != unix.SIGTERM {
				r.stderr.next(t, fmt.Sprintf("gtc-exec: the volume's secrets changed: sent the program signal %d (%s)\n", int(sig), sig))
				r.signal(t, unix.SIGTERM)
				require.Equal(t, "signal 15", r.line(t), "once, and nothing else")
			}
			assert.Equal(t, 7, r.wait(t))
		})
	}
}

func TestWatchSignalsAProgramThatReadsFiles(t *testing.T) {
	t.Parallel()
	r := watching(t, "signals", "--watch", "signal=HUP")
	r.rotate(t, "new")
	require.Equal(t, "signal 1", r.line(t))
}

func TestWithoutWatchARotationIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	path := filepath.Join(memory(t), "store")
	r := watching(t, "signals", "--dev-store", path)
	r.rotate(t, "new")
	time.Sleep(someLooks)
	assert.Equal(t, canary, storeValue(t, path, ""))
	assert.Empty(t, r.stderr.text())
	r.signal(t, unix.SIGTERM)
	require.Equal(t, "signal 15", r.line(t))
	assert.Equal(t, 7, r.wait(t))
}

// The key of a running worker's dev-store is the one among its variables, though it is itself a secret that changes; a worker that is
// started again has the new one.
func TestWatchAndAKeyThatIsASecret(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ mode, key string }{{"rewrite", "old"}, {"restart", "new"}} {
		t.Run(row.mode, func(t *testing.T) {
			t.Parallel()
			folder := volumeOf(t, map[string]string{slackFile: "old"})
			path := filepath.Join(memory(t), "store")
			cmd := underRace(command(t, []string{"GREENTIC_DEV_MASTER_KEY=" + slackRef},
				"run", "--volume", folder, "--secret", slackRef, "--dev-store", path, "--watch", row.mode, "--", self(t)))
			var stderr lines
			cmd.Stderr = &stderr
			_, _ = start(t, cmd, "signals")
			require.NoError(t, atomicwriter.New(folder).Write(map[string]string{slackFile: "new"}))
			stderr.next(t, "changed")
			assert.Equal(t, "new", storeValue(t, path, row.key))
		})
	}
}

// What cannot be handed on is said once, the worker keeps what it has, and it gets the next state that can.
func TestWatchKeepsWhatTheWorkerHas(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, message string
		spoil         func(t *testing.T, r rotated, store string)
		mend          func(t *testing.T, store string)
	}{
		{
			"incomplete", slackRef + ` is not in the volume: there is no file "` + slackFile + `"`,
			func(t *testing.T, r rotated, _ string) {
				require.NoError(t, r.volume.Write(map[string]string{openaiFile: canary}))
			},
			nil,
		},
		{
			"no variable", `"SLACK": ` + slackRef + " holds a NUL byte, which no variable can",
			func(t *testing.T, r rotated, _ string) { r.rotate(t, canary+"\x00") },
			nil,
		},
		{
			"no place for the dev-store", "dev-store not written",
			func(t *testing.T, r rotated, store string) {
				require.NoError(t, os.Remove(store))
				require.NoError(t, os.MkdirAll(filepath.Join(store, "taken"), 0o755))
				r.rotate(t, canary+"-2")
			},
			func(t *testing.T, store string) { require.NoError(t, os.RemoveAll(store)) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			store := filepath.Join(memory(t), "store")
			r := watching(t, "signals", "--dev-store", store, "--watch", "restart")
			row.spoil(t, r, store)
			const refused = "gtc-exec: the volume's secrets changed and are not handed on, the program keeps what it has:\n  "
			r.stderr.next(t, refused)
			time.Sleep(someLooks)
			assert.Equal(t, 1, strings.Count(r.stderr.text(), refused))
			assert.Contains(t, r.stderr.text(), row.message)
			if row.mend != nil {
				row.mend(t, store)
			}
			r.rotate(t, "new")
			require.Equal(t, "signal 15", r.line(t), "nothing before that")
			require.Contains(t, r.line(t), "ready")
			assert.Equal(t, "new", storeValue(t, store, ""))
		})
	}
}

// A worker that reads all the time while the volume is rotated 50 times sees whole stores only, none older than the one before, and in
// the end the last; so does one that is started again for each.
func TestWatchDuringRotation(t *testing.T) {
	t.Parallel()
	const rotations = 50
	for _, mode := range []string{"rewrite", "signal=HUP", "restart"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			folder := volumeOf(t, map[string]string{slackFile: "0", openaiFile: "0"})
			cmd := underRace(command(t, []string{"A=" + slackRef, "B=" + openaiRef}, "run", "--volume", folder, "--secret", slackRef,
				"--secret", openaiRef, "--dev-store", filepath.Join(memory(t), "store"), "--watch", mode, "--", self(t)))
			cmd.Stderr = &lines{}
			w, line := start(t, cmd, "reader")
			require.Equal(t, "0", line)
			done := make(chan error, 1)
			go func() {
				for i := 1; i <= rotations; i++ {
					text := strconv.Itoa(i)
					if err := atomicwriter.New(folder).Write(map[string]string{slackFile: text, openaiFile: text}); err != nil {
						done <- err
						return
					}
					time.Sleep(60 * time.Millisecond)
				}
				done <- nil
			}()
			last, seen := 0, 1
			for ; last != rotations; seen++ {
				generation, err := strconv.Atoi(w.line(t))
				require.NoError(t, err, "what the worker says is no generation")
				require.GreaterOrEqual(t, generation, last, "one that ends for a restart sees the new store, and so does the next")
				last = generation
			}
			require.NoError(t, <-done)
			t.Logf("the worker saw %d of %d generations", seen, rotations+1)
			w.signal(t, unix.SIGTERM)
			assert.Equal(t, 143, w.wait(t))
		})
	}
}
