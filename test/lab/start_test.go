package lab_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
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
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func TestEveryServerIsTheVersionThatItsModulePins(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	versions := l.Versions()
	kubernetes, err := l.Clientset().Discovery().ServerVersion()
	require.NoError(t, err)
	assert.Equal(t, versions.Kubernetes, kubernetes.GitVersion)
	assert.NotEmpty(t, kubernetes.Minor)
	vault, err := l.VaultClient()
	require.NoError(t, err)
	health, err := vault.Sys().HealthWithContext(ctx)
	require.NoError(t, err)
	assert.Equal(t, versions.Vault, "v"+health.Version)
	said := func(server, words string) {
		log, err := os.ReadFile(l.Logs()[server])
		require.NoError(t, err)
		assert.Contains(t, string(log), words)
	}
	said("etcd", `"etcd-version":"`+strings.TrimPrefix(versions.Etcd, "v")+`"`)
	said("driver", `version="`+versions.Driver+`"`)
	said("apiserver", "Serving securely on")
	said("vault", "unsealed")
	assert.Less(t, l.ReadyAfter(), 20*time.Second, "five seconds on two idle cores; this machine may be busy")

	built, err := lab.Build(ctx, nil)
	require.NoError(t, err)
	assert.Equal(t, versions, built)
}

func TestANodesCommandSeesTheVolume(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	serve(t, l, name, answer{files: map[string]string{"a": "one"}})
	volume := volumeOf(t, l.Kubelet(), pod(name))
	require.NoError(t, volume.Publish(ctx))

	out, err := l.Node().Command(ctx, "cat", volume.Target()+"/a").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "one", string(out))
	out, err = l.Node().Command(ctx, "stat", "-f", "-c", "%T", volume.Target()).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "tmpfs\n", string(out))
	var exit *exec.ExitError
	require.ErrorAs(t, l.Node().Command(ctx, "sh", "-c", "exit 69").Run(), &exit)
	assert.Equal(t, 69, exit.ExitCode(), "a worker's exit code is its own")

	worker, err := l.StartProcess(name, l.Node().Command(ctx, "sh", "-c", `trap 'exit 3' TERM; cat "$0"; echo; env; while true; do sleep 0.01; done`, volume.Target()+"/a"))
	require.NoError(t, err)
	assert.Equal(t, worker.Log(), l.Logs()[name])
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(worker.Log())
		return err == nil && strings.HasPrefix(string(log), "one\n") && strings.Contains(string(log), "HOME="+l.Dir())
	}, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, worker.Signal(syscall.SIGTERM))
	require.ErrorAs(t, worker.Wait(), &exit)
	assert.Equal(t, 3, exit.ExitCode())
	require.NoError(t, volume.Unpublish(ctx))
}

func TestAProcessesNameIsItsOwn(t *testing.T) {
	l := lab.Shared(t)
	for _, name := range []string{"etcd", "apiserver", "vault", "driver", "node", "", "a/b", ".."} {
		_, err := l.StartProcess(name, exec.Command("true"))
		require.ErrorIs(t, err, lab.ErrName, name)
	}
	p, err := l.StartProcess("sleeper", exec.Command("sleep", "1000"))
	require.NoError(t, err)
	assert.NotZero(t, p.Pid())
	select {
	case <-p.Done():
		t.Fatal("it has ended")
	default:
	}
	p.Kill()
	<-p.Done()
	assert.Error(t, p.Wait())
}

// inhabitants are the processes that have dir in their command line or environment.
func inhabitants(dir string) []string {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a constant: no error is possible
	var found []string
	for _, entry := range entries {
		for _, file := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(filepath.Join(entry, file))
			if err == nil && strings.Contains(string(text), dir) {
				found = append(found, filepath.Base(entry))
				break
			}
		}
	}
	return found
}

func gone(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist) && len(inhabitants(dir)) == 0
}

func TestNothingOutlivesAKilledHolder(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			holder := exec.Command(os.Args[0])
			holder.Env = append(os.Environ(), holdEnv+"=1")
			holder.Stderr = os.Stderr
			out, err := holder.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, holder.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			dir := strings.TrimSpace(line)
			// A process that is between fork and exec shows neither its own command line nor its environment.
			assert.Eventually(t, func() bool { return len(inhabitants(dir)) >= 7 }, 10*time.Second, 20*time.Millisecond, "etcd, apiserver, vault, driver, node, daemon, reaper")
			require.NoError(t, holder.Process.Signal(signal))
			require.Error(t, holder.Wait())
			assert.Eventually(t, func() bool { return gone(dir) }, 20*time.Second, 20*time.Millisecond, "%s", dir)
		})
	}
}

func TestALabOfAnotherKind(t *testing.T) {
	life, end := context.WithCancel(t.Context())
	defer end()
	l, err := lab.Start(life, lab.Options{
		Poll: 2 * time.Minute, Audiences: []string{"vault", "other"}, TokensInSecrets: true, SyncSecrets: true, VaultTLS: true, Keep: true,
	})
	require.NoError(t, err)
	defer l.Close()
	defer os.RemoveAll(l.Dir())
	require.NotEqual(t, lab.Shared(t).Dir(), l.Dir(), "two labs stand side by side")

	t.Run("tokens come in secrets", func(t *testing.T) { tokensComeInSecrets(t, l) })
	t.Run("a class with secretObjects makes a Secret", func(t *testing.T) { aSecretIsMade(t, l) })
	t.Run("vault serves https", func(t *testing.T) { vaultServesHTTPS(t, l) })
	end()
	assert.Eventually(t, func() bool { return len(inhabitants(l.Dir())) == 0 }, 20*time.Second, 20*time.Millisecond, "the context's end is the lab's")
	require.NoError(t, l.Close())
	assert.FileExists(t, filepath.Join(l.Dir(), "logs", "vault.log"), "kept, as asked")
}

func tokensComeInSecrets(t *testing.T, l *lab.Lab) {
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": "one"}})
	volume := volumeOf(t, l.Kubelet(), pod(name))
	require.NoError(t, volume.Publish(t.Context()))
	var secrets map[string]string
	require.NoError(t, json.Unmarshal([]byte(provider.last(t).GetSecrets()), &secrets))
	var tokens map[string]authenticationv1.TokenRequestStatus
	require.NoError(t, json.Unmarshal([]byte(secrets["csi.storage.k8s.io/serviceAccount.tokens"]), &tokens))
	assert.Contains(t, tokens, "vault")
	assert.Contains(t, tokens, "other")
	require.NoError(t, volume.Publish(t.Context()))
	assert.Equal(t, 1, provider.calls(), "the poll interval holds back a republish")
}

// aSecretIsMade shows that the driver copies a file into a Secret where its chart would let it.
func aSecretIsMade(t *testing.T, l *lab.Lab) {
	name := objects(t, l)
	serve(t, l, name, answer{files: map[string]string{"a": "one"}})
	require.NoError(t, l.ApplyYAML(t.Context(), []byte(strings.ReplaceAll(`
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: class, namespace: NAME}
spec:
  provider: NAME
  parameters: {objects: any}
  secretObjects:
  - secretName: copy
    type: Opaque
    data: [{objectName: a, key: a}]
`, "NAME", name))))
	require.NoError(t, volumeOf(t, l.Kubelet(), pod(name)).Publish(t.Context()))
	assert.Eventually(t, func() bool {
		secret, err := l.Clientset().CoreV1().Secrets(name).Get(t.Context(), "copy", metav1.GetOptions{})
		return err == nil && string(secret.Data["a"]) == "one"
	}, 20*time.Second, 50*time.Millisecond)
}

func vaultServesHTTPS(t *testing.T, l *lab.Lab) {
	assert.True(t, strings.HasPrefix(l.VaultAddr(), "https://"))
	client, err := l.VaultClient()
	require.NoError(t, err)
	_, err = client.Auth().Token().LookupSelfWithContext(t.Context())
	require.NoError(t, err)
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.VaultAddr()+"/v1/sys/health", nil)
	require.NoError(t, err)
	_, err = stranger.Do(request)
	assert.ErrorContains(t, err, "certificate signed by unknown authority")
	assert.Contains(t, string(l.VaultCAPEM()), "BEGIN CERTIFICATE")
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	tmp, err := os.MkdirTemp("", "missing-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.Remove(tmp), "a failed start leaves nothing") })
	t.Setenv("TMPDIR", tmp)
	start := func(t *testing.T) error {
		l, err := lab.Start(t.Context(), lab.Options{})
		if err == nil {
			assert.NoError(t, l.Close())
		}
		return err
	}
	t.Run("a short TMPDIR", func(t *testing.T) {
		t.Setenv("TMPDIR", "/tmp/"+strings.Repeat("x", 60))
		require.ErrorContains(t, start(t), "TMPDIR")
	})
	t.Run("unshare and mount", func(t *testing.T) {
		bin := t.TempDir()
		for _, tool := range []string{"go", "sh", "rm", "nsenter", "umount", "readlink", "sleep"} {
			path, err := exec.LookPath(tool)
			require.NoError(t, err)
			require.NoError(t, os.Symlink(path, filepath.Join(bin, tool)))
		}
		t.Setenv("GOROOT", goroot(t))
		t.Setenv("PATH", bin)
		err := start(t)
		require.ErrorIs(t, err, lab.ErrNoNamespace)
		require.ErrorContains(t, err, "unshare is not on PATH: install util-linux")
		require.ErrorContains(t, err, ": mount is not on PATH")
	})
	t.Run("a namespace", func(t *testing.T) {
		bin := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(bin, "unshare"), []byte("#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n"), 0o700))
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		err := start(t)
		require.ErrorIs(t, err, lab.ErrNoNamespace)
		require.ErrorContains(t, err, "run it as root, or allow user namespaces")
		require.ErrorContains(t, err, "unshare failed: Operation not permitted")
	})
	t.Run("the servers' sources", func(t *testing.T) {
		t.Setenv("GTC_LAB_SERVERS", t.TempDir())
		err := start(t)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, "reading the pinned version of etcd: ")
	})
	t.Run("time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		_, err := lab.Start(ctx, lab.Options{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestAServerThatDoesNotComeUpIsAnErrorWithItsLastWords(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	l.StopAPIServer()
	t.Cleanup(func() { require.NoError(t, l.StartAPIServer(context.Background())) })
	listener, err := net.Listen("tcp", strings.TrimPrefix(l.KubernetesHost(), "https://"))
	require.NoError(t, err)
	defer listener.Close()
	err = l.StartAPIServer(ctx)
	require.ErrorIs(t, err, lab.ErrNotReady)
	assert.ErrorContains(t, err, "address already in use")
}
