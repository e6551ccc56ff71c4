//go:build linux

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/atomicwriter"
)

const (
	slackRef   = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	slackFile  = "sales/messaging-slack/slack_bot_token"
	openaiRef  = "secret://prod/acme/_/openai/api_key"
	openaiFile = "_/openai/api_key"
	canary     = "xoxb-canary-1f2e3d" // the value of a secret, which no message may show
)

// binary is gtc-exec as it ships: static and stripped. Every test runs the real program. raceBinary is the same under the race detector,
// for what it does beside the running worker.
var binary, raceBinary string

func TestMain(m *testing.M) {
	if mode, ok := os.LookupEnv(workerMode); ok {
		os.Exit(work(mode))
	}
	catchIgnored()
	os.Exit(build(m))
}

// catchIgnored undoes what nohup and a shell's "&" do: a signal that is ignored here is ignored by every child, and gtc-exec respects
// that. One that is caught here is a child's default again.
func catchIgnored() {
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

func build(m *testing.M) int {
	folder, err := os.MkdirTemp("", "gtc-exec-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary, raceBinary = filepath.Join(folder, "gtc-exec"), filepath.Join(folder, "gtc-exec-race")
	for _, build := range []struct{ cgo, output, mode string }{{"0", binary, "-ldflags=-s -w"}, {"1", raceBinary, "-race"}} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", build.mode, "-o", build.output, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+build.cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building gtc-exec: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// command is gtc-exec with args in an environment of nothing but PATH and env, and no second's pause at the end of a program that is under
// the race detector; it is killed when the test is too long at it.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	cmd.WaitDelay = 300 * time.Millisecond // a worker that outlives a killed gtc-exec holds its files open
	return cmd
}

// outcome is how a run ended.
type outcome struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	cmd := command(t, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return outcome{code: exitCode(t, cmd.Run()), stdout: stdout.String(), stderr: stderr.String()}
}

// exitCode is the code in what exec.Cmd's Run or Wait returned; -1 for a process that a signal ended.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, "%v", err)
	return exit.ExitCode()
}

// volumeOf is a folder that the driver's stand-in has written files to; none if there are none.
func volumeOf(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	if files != nil {
		require.NoError(t, atomicwriter.New(folder).Write(files))
	}
	return folder
}

// memory is a folder of this test on a tmpfs.
func memory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "gtc-exec-test-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(folder)) })
	return folder
}
