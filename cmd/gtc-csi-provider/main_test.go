package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	"go.uber.org/goleak"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

// TestMain makes the test program the provider itself where a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_PROVIDER") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const configuration = `
apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- name: default
  addresses: ["http://127.0.0.1:1"]
  audience: vault
`

// files are a program's own folder.
func files(t *testing.T) (endpoint, config string, args []string) {
	t.Helper()
	folder := t.TempDir()
	endpoint, config = filepath.Join(folder, "greentic.sock"), filepath.Join(folder, "provider.yaml")
	require.NoError(t, os.WriteFile(config, []byte(configuration), 0o600))
	return endpoint, config, []string{
		"--endpoint", endpoint, "--config", config, "--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0",
		"--log-level", "debug", "--config-poll", "5ms",
	}
}

func TestFlags(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says []string
	}{
		"unknown":     {[]string{"--colour", "red"}, []string{"colour"}},
		"an argument": {[]string{"serve"}, []string{`unexpected argument "serve"`}},
		"a level":     {[]string{"--log-level", "loud"}, []string{`--log-level: "loud" is none of debug, info, warn, error`}},
		"no endpoint": {[]string{"--endpoint", ""}, []string{"--endpoint: "}},
		"several":     {[]string{"--endpoint", "", "--config", "", "--log-level", "x", "--config-poll", "0s"}, []string{"--endpoint", "--config: ", "--log-level", "--config-poll"}},
		"a watch without access": {args: []string{"--config", "CONFIG", "--pod-watch-node", "node-1", "--api-access", "/nowhere"}, says: []string{
			"--pod-watch-node: the container's access to the API server is of no use: /nowhere has no token, or KUBERNETES_SERVICE_HOST is not set",
		}},
		"no configuration": {[]string{"--config", "/nowhere/at/all.yaml"}, []string{"no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, config, _ := files(t)
			for i, arg := range row.args {
				row.args[i] = strings.Replace(arg, "CONFIG", config, 1)
			}
			err := Run(t.Context(), row.args, io.Discard, io.Discard)
			require.ErrorIs(t, err, errInvalid)
			for _, text := range row.says {
				assert.ErrorContains(t, err, text)
			}
		})
	}
	t.Run("the issue's", func(t *testing.T) {
		var help bytes.Buffer
		require.Error(t, Run(t.Context(), []string{"--help"}, io.Discard, &help))
		for _, flag := range []string{"-endpoint", "-config", "-health-addr", "-metrics-addr", "-log-level", "-version"} {
			assert.Regexp(t, `\n  `+flag+`\s`, help.String())
		}
		assert.Contains(t, help.String(), "/provider/greentic.sock")
	})
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Run(t.Context(), []string{"--version"}, &out, io.Discard))
	assert.Equal(t, version.Line("gtc-csi-provider")+"\n", out.String())
}

func TestRunServesUntilItIsToldToStop(t *testing.T) {
	endpoint, config, args := files(t)
	ctx, stop := context.WithCancel(context.Background())
	log, ended := &rpctest.Log{}, make(chan error, 1)
	go func() { ended <- Run(ctx, args, io.Discard, log) }()
	log.WaitFor(t, `"msg":"serving"`)
	require.Eventually(t, func() bool { return len(addresses(log)) == 2 }, 10*time.Second, time.Millisecond)

	_, err := v1alpha1.NewCSIDriverProviderClient(rpctest.Dial(t, endpoint)).Mount(t.Context(), &v1alpha1.MountRequest{Attributes: "{}"})
	require.ErrorContains(t, err, "scope: ")

	pages := get(t, log)
	assert.Contains(t, pages, "ok\n")
	assert.Contains(t, pages, `greentic_provider_mounts_total{reason="parameters",result="error"} 1`)
	assert.Contains(t, pages, "process_resident_memory_bytes")
	assert.Contains(t, pages, "greentic_provider_sessions 0")
	assert.Contains(t, pages, "[]\n", "the sessions: none")

	require.NoError(t, os.WriteFile(config, []byte("kind: Pod"), 0o600))
	log.WaitFor(t, "configuration refused, the running one stays")
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(configuration, "name: default", "name: other", 1)), 0o600))
	log.WaitFor(t, "configuration reloaded")
	assert.Contains(t, get(t, log), "greentic_provider_config_current 1")

	stop()
	require.NoError(t, <-ended)
	assert.NoFileExists(t, endpoint)
}

func addresses(log *rpctest.Log) []string {
	var found []string
	for line := range strings.Lines(log.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving http" {
			found = append(found, entry.Address)
		}
	}
	return found
}

// get reads everything that is served by HTTP.
func get(t *testing.T, log *rpctest.Log) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var all strings.Builder
	for _, address := range addresses(log) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/sessions"} {
			answer, err := client.Get("http://" + address + path)
			require.NoError(t, err)
			_, err = io.Copy(&all, answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
		}
	}
	return all.String()
}

func TestOnePartThatFailsEndsAll(t *testing.T) {
	_, _, args := files(t)
	err := Run(t.Context(), append(args, "--metrics-addr", "256.0.0.1:1"), io.Discard, io.Discard)
	require.ErrorContains(t, err, "serving HTTP")
}

// TestTheProgram starts the real thing, with an environment that would mislead or stop the Vault library.
func TestTheProgram(t *testing.T) {
	endpoint, _, args := files(t)
	command, log := program(t, args...)
	command.Env = append(command.Env, "VAULT_CACERT=/nowhere", "VAULT_TOKEN=x", "VAULT_ADDR=http://127.0.0.1:2", "VAULT_SKIP_VERIFY=perhaps", "VAULT_HEADERS=[]")
	require.NoError(t, command.Start())
	log.WaitFor(t, `"msg":"serving"`)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", command.Process.Pid))
	require.NoError(t, err)
	assert.Regexp(t, `Max core file size +0 +0`, string(limits))
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait(), "SIGTERM is a good end")
	assert.NoFileExists(t, endpoint)
	assert.Contains(t, log.String(), `"msg":"stopping"`)
}

func TestExitCodes(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		code int
	}{
		"help": {[]string{"--help"}, 0}, "version": {[]string{"--version"}, 0},
		"a wrong flag": {[]string{"--x"}, 2}, "no configuration": {[]string{"--config", "/nowhere"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			command, log := program(t, row.args...)
			_ = command.Run()
			assert.Equal(t, row.code, command.ProcessState.ExitCode(), "%s", log)
		})
	}
	t.Run("no place for the socket", func(t *testing.T) {
		_, _, args := files(t)
		command, log := program(t, append(args, "--endpoint", "/nowhere/at/all.sock")...)
		_ = command.Run()
		assert.Equal(t, 1, command.ProcessState.ExitCode())
		assert.Contains(t, log.String(), `gtc-csi-provider: listening at "/nowhere/at/all.sock"`)
	})
}

func program(t *testing.T, args ...string) (*exec.Cmd, *rpctest.Log) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	log := &rpctest.Log{}
	command := exec.CommandContext(t.Context(), self, args...)
	command.Env = []string{"RUN_AS_PROVIDER=1"}
	command.Stdout, command.Stderr = log, log
	return command, log
}
