package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	tokenRef = "secret://prod/acme/sales/messaging-slack/slack_bot_token"
	signRef  = "secret://prod/acme/sales/messaging-slack/slack_signing_secret"
	keyRef   = "secret://prod/acme/_/openai/api_key"
	canary   = "xoxb-canary-1f2e3d"
)

// gtcExec and worker are the real programs.
var gtcExec, worker string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	folder, err := os.MkdirTemp("", "worker-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	gtcExec, worker = filepath.Join(folder, "gtc-exec"), filepath.Join(folder, "worker")
	for program, where := range map[string]string{gtcExec: "../../cmd/gtc-exec", worker: "."} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-o", program, ".")
		cmd.Dir = where
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", where, err, out)
			return 1
		}
	}
	return m.Run()
}

// An unmodified Greentic worker behind gtc-exec reads, from a dev-store, the promised secrets and no others, although two of them share
// a category, whose data key its reader remembers.
func TestAnUnmodifiedWorkerReadsItsDevStore(t *testing.T) {
	t.Parallel()
	volume := write(t, t.TempDir(), map[string]string{
		"sales/messaging-slack/slack_bot_token": canary, "sales/messaging-slack/slack_signing_secret": "\x00\xff\n",
		"_/openai/api_key": "", "unpromised": "x",
	})
	for _, key := range []string{"", "GREENTIC_DEV_MASTER_KEY=material", "GREENTIC_DEV_MASTER_KEY=" + tokenRef} {
		stdout, stderr, err := run(t, []string{key}, gtcExec, "run", "--volume", volume,
			"--secret", tokenRef, "--secret", signRef, "--secret", keyRef, "--optional-secret", "secret://prod/acme/_/openai/absent",
			"--dev-store", filepath.Join(memory(t), ".dev.secrets.env"), "--", worker, "dev-store")
		require.NoError(t, err, stderr)
		assert.Equal(t, line(store(keyRef), "")+line(store(tokenRef), canary)+line(store(signRef), "\x00\xff\n"), stdout)
	}
}

func TestAWorkerReadsVariables(t *testing.T) {
	t.Parallel()
	volume := write(t, t.TempDir(), map[string]string{"token": canary})
	stdout, stderr, err := run(t, []string{"SLACK=" + tokenRef}, gtcExec,
		"run", "--volume", volume, "--secret", tokenRef+"=token", "--", worker, "variables", "SLACK")
	require.NoError(t, err, stderr)
	assert.Equal(t, line("SLACK", canary), stdout)
}

func TestItTellsWhatItLacks(t *testing.T) {
	t.Parallel()
	store := "GREENTIC_DEV_SECRETS_PATH=" + filepath.Join(t.TempDir(), "empty")
	for _, row := range []struct {
		args    []string
		message string
	}{
		{nil, "name a source"},
		{[]string{"else"}, `unknown source "else"`},
		{[]string{"files"}, "name the folder"},
		{[]string{"files", t.TempDir(), "token"}, "reading the volume"},
		{[]string{"variables", "SLACK"}, `variable "SLACK" is not set`},
		{[]string{"dev-store", "secrets://prod/acme/_/openai/api_key"}, "secret not found"},
		{[]string{"-serve", "0.0.0.0:0", "dev-store"}, "is no loopback address"},
		{[]string{"-serve", ":0", "dev-store"}, "is no loopback address"},
	} {
		_, stderr, err := run(t, []string{store}, worker, row.args...)
		require.Error(t, err, row.args)
		assert.Contains(t, stderr, row.message)
	}
}

func TestItReadsAgainOnHangup(t *testing.T) {
	t.Parallel()
	folder := write(t, t.TempDir(), map[string]string{"token": "one"})
	next, cmd := started(t, nil, worker, "-reload", "-watch", "-serve", "127.0.0.1:0", "files", folder, "token")
	assert.Equal(t, line("token", "one"), next())
	address := strings.TrimSpace(strings.TrimPrefix(next(), "listening on "))
	write(t, folder, map[string]string{"token": canary})
	assert.Equal(t, line("token", "one"), get(t, address), "nobody has told it")
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	assert.Equal(t, line("token", canary), next())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestItListensWhereAPodSays(t *testing.T) {
	t.Parallel()
	folder := write(t, t.TempDir(), map[string]string{"token": canary})
	next, cmd := started(t, []string{"GREENTIC_GATEWAY_LISTEN_ADDR=0.0.0.0"}, worker, "-serve", ":0", "files", folder, "token")
	assert.Equal(t, line("token", canary), next())
	address := strings.TrimSpace(strings.TrimPrefix(next(), "listening on http://"))
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	assert.Equal(t, line("token", canary), get(t, "http://127.0.0.1:"+port+"/healthz"))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestItSeesARotationOfItsFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, folder, map[string]string{"token": "one", "same": "same"})
	next, cmd := started(t, nil, worker, "-watch", "-serve", "127.0.0.1:0", "files", folder, "same", "token")
	assert.Equal(t, line("same", "same"), next())
	assert.Equal(t, line("token", "one"), next())
	address := strings.TrimSpace(strings.TrimPrefix(next(), "listening on "))
	write(t, folder, map[string]string{"token": canary, "same": "same"})
	assert.Equal(t, line("token", canary), next(), "only what changed")
	assert.Equal(t, line("same", "same")+line("token", canary), get(t, address))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestItSeesAnotherDevStore(t *testing.T) {
	t.Parallel()
	volume := t.TempDir()
	path := filepath.Join(memory(t), "store")
	rewrite := func(value string) {
		write(t, volume, map[string]string{"token": value})
		_, stderr, err := run(t, nil, gtcExec, "run", "--volume", volume, "--secret", tokenRef+"=token", "--dev-store", path, "--", "true")
		require.NoError(t, err, stderr)
	}
	rewrite("one")
	next, cmd := started(t, []string{"GREENTIC_DEV_SECRETS_PATH=" + path}, worker, "-watch", "dev-store")
	assert.Equal(t, line(store(tokenRef), "one"), next())
	rewrite(canary)
	assert.Equal(t, line(store(tokenRef), canary), next())
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
}

func run(t *testing.T, env []string, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(env, "PATH="+os.Getenv("PATH")), &out, &errs
	err = cmd.Run()
	assert.NotContains(t, out.String()+errs.String(), canary, "nothing tells a secret")
	return out.String(), errs.String(), err
}

// started is a running program; next is its next line.
func started(t *testing.T, env []string, program string, args ...string) (next func() string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Stderr = append(env, "PATH="+os.Getenv("PATH")), os.Stderr
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	require.NoError(t, reader.SetReadDeadline(time.Now().Add(20*time.Second)))
	cmd.Stdout = writer
	require.NoError(t, cmd.Start())
	require.NoError(t, writer.Close())
	lines := bufio.NewReader(reader)
	return func() string {
		t.Helper()
		text, err := lines.ReadString('\n')
		require.NoError(t, err)
		return text
	}, cmd
}

func get(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func line(name, value string) string {
	return fmt.Sprintf("%s sha256=%x bytes=%d\n", name, sha256.Sum256([]byte(value)), len(value))
}

func store(ref string) string { return "secrets" + strings.TrimPrefix(ref, "secret") }

// write makes files the newest generation of the volume in folder, as the kubelet's atomic writer does: a folder, then a link's swap.
func write(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	generation, err := os.MkdirTemp(folder, "..generation.")
	require.NoError(t, err)
	for path, contents := range files {
		path = filepath.Join(generation, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(contents), 0o600))
	}
	link := filepath.Join(folder, "..data")
	require.NoError(t, os.Symlink(filepath.Base(generation), link+"_tmp"))
	require.NoError(t, os.Rename(link+"_tmp", link))
	return folder
}

func memory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "worker-test-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(folder)) })
	return folder
}
