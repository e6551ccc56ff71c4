//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"run", "--help"}, {"run", "-h", "--", "sh"}, {"install", "--help"}} {
		got := run(t, nil, args...)
		assert.Equal(t, 0, got.code, args)
		assert.Empty(t, got.stderr, args)
		for _, word := range []string{
			"gtc-exec install DIR", "gtc-exec run [flags] -- PROGRAM", "--secret REF[=FILE]", "--optional-secret", "--volume", "--wait",
			"--dev-store", "--watch MODE", "signal=NAME", "--grace", "gtc-exec version", "/var/run/greentic/secrets", "69", "127",
		} {
			assert.Contains(t, got.stdout, word, args)
		}
		for line := range strings.Lines(got.stdout) {
			assert.LessOrEqual(t, len(line), 101, "a terminal's line: %q", line)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version"} {
		got := run(t, nil, arg)
		assert.Equal(t, 0, got.code)
		assert.Regexp(t, `^gtc-exec \d+\.\d+\.\d+\S* \(go\S+( \S+)?, linux/\w+\)\n$`, got.stdout)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	folder := volumeOf(t, map[string]string{slackFile: canary})
	shm := memory(t)
	valid := []string{"run", "--volume", folder, "--secret", slackRef, "--dev-store", shm + "/store", "--", "true"}
	require.Equal(t, 0, run(t, nil, valid...).code, "the baseline is valid")
	// with is the baseline with more flags, which come last and so count.
	with := func(more ...string) []string {
		return append(append(append([]string{}, valid[:len(valid)-2]...), more...), "--", "true")
	}
	for _, row := range []struct {
		name    string
		env     []string
		args    []string
		code    int
		message string
	}{
		{"no command", nil, nil, 2, "usage: name a command: install, run or version"},
		{"unknown command", nil, []string{"start\n"}, 2, `usage: no command "start\n"`},
		{"install without folder", nil, []string{"install"}, 2, "usage: install takes one folder"},
		{"install into two", nil, []string{"install", "a", "b"}, 2, "usage: install takes one folder"},
		{"install into nothing", nil, []string{"install", filepath.Join(folder, "absent")}, 1, "no such file or directory"},
		{"no --", nil, []string{"run", "--secret", slackRef, "true"}, 2, "usage: no program: name it after all flags, behind --"},
		{"no program", nil, valid[:len(valid)-1], 2, "usage: no program"},
		{"argument before --", nil, with("true"), 2, `usage: unexpected argument "true" before --`},
		{"unknown flag", nil, with("--secrets", slackRef), 2, "usage: flag provided but not defined: -secrets"},
		{"flag without value", nil, with("--secret"), 2, "usage: flag needs an argument: -secret"},
		{"relative volume", nil, with("--volume", "secrets"), 2, `usage: --volume "secrets" is not an absolute path`},
		{"negative wait", nil, with("--wait", "-1s"), 2, "usage: --wait -1s is negative"},
		{"wait without unit", nil, with("--wait", "60"), 2, `invalid value "60" for flag -wait`},
		{"unknown watch", nil, with("--watch", "reload"), 2, `usage: --watch "reload" is none of rewrite, signal=NAME or restart`},
		{"watch for nothing", nil, with("--watch", ""), 2, `usage: --watch "" is none of`},
		{"watch in capitals", nil, with("--watch", "Restart"), 2, `usage: --watch "Restart" is none of rewrite, signal=NAME or restart`},
		{"a signal alone", nil, with("--watch", "SIGHUP"), 2, "is none of rewrite, signal=NAME or restart, did you mean signal=HUP?"},
		{"signal without name", nil, with("--watch", "signal"), 2, "the signal is one of HUP, USR1, USR2, INT, QUIT, TERM"},
		{"signal spelt out", nil, with("--watch", "signal=sigusr1"), 2, `--watch "signal=sigusr1": the signal is one of HUP, USR1, USR2, INT, ` +
			"QUIT, TERM, did you mean signal=USR1?"},
		{"signal that nobody hears", nil, with("--watch", "signal=KILL"), 2, `--watch "signal=KILL": the signal is one of HUP`},
		{"signal by number", nil, with("--watch", "signal=1"), 2, `--watch "signal=1": the signal is one of HUP`},
		{
			"nothing to rewrite", nil, []string{"run", "--volume", folder, "--secret", slackRef, "--watch", "rewrite", "--", "true"}, 2,
			"--watch rewrite has no --dev-store to rewrite, and a running program's variables cannot change: use --watch restart",
		},
		{"nothing to watch", nil, []string{"run", "--watch", "restart", "--", "true"}, 2, "--watch has nothing to look at"},
		{"grace without watch", nil, with("--grace", "1s"), 2, "--grace is for a program that is restarted: add --watch restart"},
		{"grace without restart", nil, with("--watch", "rewrite", "--grace", "1s"), 2, "--grace is for a program that is restarted"},
		{"negative grace", nil, with("--watch", "restart", "--grace", "-1s"), 2, "usage: --grace -1s is negative"},
		{"grace without unit", nil, with("--watch", "restart", "--grace", "30"), 2, `invalid value "30" for flag -grace`},
		{"no reference", nil, with("--secret", "token"), 2, `--secret[1]: invalid promise: reference "token"`},
		{"no optional reference", nil, with("--optional-secret", "token"), 2, `--optional-secret[0]: invalid promise: reference "token"`},
		{"file out of the volume", nil, with("--secret", openaiRef+"=../x"), 2, `file "../x" of ` + openaiRef},
		{"promised twice", nil, with("--optional-secret", slackRef+"=b"), 2, slackRef + " is promised twice"},
		{"one file for two", nil, with("--secret", openaiRef+"="+slackFile), 2, "are both promised as file"},
		{"variable not promised", []string{"KEY=" + openaiRef}, valid, 2, `variable without a secret: "KEY": ` + openaiRef + " is not promised"},
		{"variable no reference", []string{"KEY=secret://prod"}, valid, 2, `variable without a secret: "KEY": reference "secret://prod"`},
		{"two versions in a dev-store", nil, with("--secret", slackRef+"@2=b"), 2, "a dev-store has one value for it"},
		{"dev-store on a disk", nil, with("--dev-store", "/proc/store"), 2, "is not memory-backed"},
		{"dev-store relative", nil, with("--dev-store", "store"), 2, `"store" is not an absolute, clean path`},
		{"dev-store elsewhere", []string{"GREENTIC_DEV_SECRETS_PATH=/x"}, valid, 2, "GREENTIC_DEV_SECRETS_PATH is not"},
		{"program not in PATH", nil, append(valid[:len(valid)-1:len(valid)-1], "no-such-worker"), 127, `program not found: "no-such-worker"`},
		{"program absent", nil, append(valid[:len(valid)-1:len(valid)-1], "/no/such/worker"), 127, `program not found: "/no/such/worker"`},
		{"program is a folder", nil, append(valid[:len(valid)-1:len(valid)-1], folder), 126, "program cannot be executed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, row.env, row.args...)
			assert.Equal(t, row.code, got.code, got.stderr)
			assert.Contains(t, got.stderr, row.message)
			assert.NotContains(t, got.stderr, "waiting", "what is wrong from the start is said at the start")
			assert.NotContains(t, got.stderr, canary)
			assert.Empty(t, got.stdout)
			for line := range strings.Lines(got.stderr) {
				assert.True(t, strings.HasPrefix(line, "gtc-exec: "), line)
			}
			if strings.Contains(row.message, "usage") {
				assert.Contains(t, got.stderr, "gtc-exec: see gtc-exec --help\n")
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	got := run(t, []string{"KEY=secret://prod", "GREENTIC_DEV_SECRETS_PATH=/x"}, "run", "--volume", "v", "--wait", "-1s", "--secret", "a",
		"--secret", "b", "--dev-store", "/proc/store", "--watch", "reload", "--grace", "-2s", "extra", "--", "no-such-worker")
	assert.Equal(t, 2, got.code)
	for _, message := range []string{
		`unexpected argument "extra"`, `--volume "v"`, "--wait -1s", `--watch "reload"`, "--grace -2s", "--secret[0]", "--secret[1]", `"KEY": reference "secret://prod"`,
		"GREENTIC_DEV_SECRETS_PATH is not", "is not memory-backed", `"no-such-worker"`,
	} {
		assert.Contains(t, got.stderr, message)
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	got := run(t, nil, "install", folder)
	assert.Equal(t, outcome{}, got)
	info, err := os.Stat(filepath.Join(folder, "gtc-exec"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o555), info.Mode())
	want, err := os.ReadFile(binary)
	require.NoError(t, err)
	installed, err := os.ReadFile(filepath.Join(folder, "gtc-exec"))
	require.NoError(t, err)
	assert.True(t, string(want) == string(installed), "the whole program")
}
