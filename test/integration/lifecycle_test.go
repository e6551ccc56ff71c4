package integration_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

// TestSIGTERMDuringMounts ends a provider in order while it fetches for two pods: the one whose secrets come is mounted, the one whose do not is told in
// time, with a code that lets the kubelet try again, and gets its secrets from the successor.
func TestSIGTERMDuringMounts(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
	category := unique("sigterm")
	slow, stuck := ref(t, env.sales, category, "slow"), ref(t, env.sales, category, "stuck")
	w.put(t, slow, "slow")
	w.put(t, stuck, "stuck")
	release := make(chan struct{})
	front.replace(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/slow"):
			<-release
		case strings.HasSuffix(r.URL.Path, "/stuck"):
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
	c := class{provider: provider.name, scope: env.sales}
	c.objects = fmt.Sprintf("- ref: %q", slow)
	slowVolume := w.pod(t, env.sales, c.apply(t, w))
	c.objects = fmt.Sprintf("- ref: %q", stuck)
	stuckVolume := w.pod(t, env.sales, c.apply(t, w))
	slowDone, stuckDone := make(chan error, 1), make(chan error, 1)
	go func() { slowDone <- slowVolume.Publish(t.Context()) }()
	go func() { stuckDone <- stuckVolume.Publish(t.Context()) }()
	eventually(t, func() bool { return strings.Count(strings.Join(front.kinds(), " "), "read") == 2 }, "both pods' secrets are read")

	begun := time.Now()
	require.NoError(t, provider.Signal(syscall.SIGTERM))
	eventually(t, func() bool {
		code, _, err := get(t.Context(), provider.health+"/readyz")
		return err != nil || code != http.StatusOK
	}, "no longer ready")
	close(release)
	require.NoError(t, <-slowDone)
	assert.Equal(t, map[string]string{slow.Path(): "slow"}, contents(t, slowVolume))
	requireRefused(t, <-stuckDone, codes.FailedPrecondition, "the provider is being stopped")
	requireNothing(t, stuckVolume)
	require.NoError(t, provider.Wait(), "it ended in disorder")
	assert.Less(t, time.Since(begun), 25*time.Second, "longer than a pod's termination may take")
	assert.NoFileExists(t, provider.socket)

	front.replace(nil)
	provider.start(t)
	require.NoError(t, stuckVolume.Mount(t.Context()))
	assert.Equal(t, map[string]string{stuck.Path(): "stuck"}, contents(t, stuckVolume))
}

// TestStaleSocket starts a provider where a dead one has left its socket, and where there is something else.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider, err := w.newProvider(unique("p"), w.configOf())
	require.NoError(t, err)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: provider.socket, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	require.FileExists(t, provider.socket)
	provider.start(t)
	info, err := os.Stat(provider.socket)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	w.mounts(t, env, provider)

	other, err := w.newProvider(unique("p"), w.configOf())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other.socket, []byte("not a socket"), 0o600))
	require.ErrorContains(t, other.launch(t.Context()), "something that is not a socket")
	content, err := os.ReadFile(other.socket)
	require.NoError(t, err)
	assert.Equal(t, "not a socket", string(content))
}

// mounts asserts that the provider mounts a fresh pod's volume through the driver.
func (w *world) mounts(t *testing.T, env *environment, p *provider) {
	t.Helper()
	secret := ref(t, env.sales, unique("mounts"), "token")
	w.put(t, secret, "a value")
	volume := w.mount(t, class{provider: p.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)})
	require.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
}

// TestSuccessor starts a second provider on the path of a running one, as a rolling update with a surge does. The first one's end leaves the second
// one's socket alone.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	first := w.startProvider(t, w.configOf())
	w.mounts(t, env, first)
	second, err := w.newProvider(first.name+"-next", w.configOf())
	require.NoError(t, err)
	second.args[0] = "--endpoint=" + first.socket
	second.start(t)
	second.name, second.socket = first.name, first.socket
	before, err := os.Stat(first.socket)
	require.NoError(t, err)

	require.NoError(t, first.Signal(syscall.SIGTERM))
	require.NoError(t, first.Wait())
	after, err := os.Stat(first.socket)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "it is not the second provider's socket any more")
	w.mounts(t, env, second)
}

// TestConfigurationReload changes the configuration under a running provider: a good one is taken without a restart, a bad one is refused and the one in
// force stays, and both are told.
func TestConfigurationReload(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	w.mounts(t, env, provider)
	secret := ref(t, env.sales, unique("reload"), "token")
	w.put(t, secret, "a value")
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	volume := w.pod(t, env.sales, c.apply(t, w))

	narrow := w.toVault(w.VaultAddr())
	narrow.Scopes = []string{"*/globex/*"}
	require.NoError(t, w.configOf(narrow).write(provider.file))
	eventually(t, func() bool { return strings.Contains(provider.log(t), "configuration reloaded") }, "the log tells of the reload")
	requireRefused(t, volume.Publish(t.Context()), codes.PermissionDenied, "the vault connection does not serve the scope")
	assert.Contains(t, provider.scrape(t), `greentic_provider_config_reloads_total{result="ok"} 1`)

	require.NoError(t, w.configOf().write(provider.file))
	eventually(t, func() bool { return strings.Count(provider.log(t), "configuration reloaded") == 2 }, "the log tells of the second reload")
	w.mounts(t, env, provider)

	bad := narrow
	bad.AuthMethod = "userpass"
	require.NoError(t, w.configOf(bad).write(provider.file))
	eventually(t, func() bool { return strings.Contains(provider.log(t), "configuration refused, the running one stays") }, "the log tells of the refusal")
	assert.Contains(t, provider.log(t), "vaults[0].authMethod")
	assert.Contains(t, provider.scrape(t), `greentic_provider_config_reloads_total{result="refused"} 1`)
	assert.Contains(t, provider.scrape(t), `greentic_provider_config_current 0`)
	w.mounts(t, env, provider)
	code, _, err := get(t.Context(), provider.health+"/readyz")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, code)

	require.NoError(t, os.Remove(provider.file))
	w.mounts(t, env, provider)
}

// TestConfigurationInForce lets a mount that began with one configuration end with it, whatever is put in force meanwhile.
func TestConfigurationInForce(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
	secret := ref(t, env.sales, unique("inforce"), "token")
	w.put(t, secret, "a value")
	c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	volume := w.pod(t, env.sales, c.apply(t, w))
	release := make(chan struct{})
	front.replace(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if (asked{path: r.URL.Path}).kind() == "read" {
			<-release
		}
		next.ServeHTTP(w, r)
	})
	published := make(chan error, 1)
	go func() { published <- volume.Publish(t.Context()) }()
	eventually(t, func() bool { return len(front.requests()) == 2 }, "the provider reads")
	require.NoError(t, w.configOf(w.toVault("http://127.0.0.1:1")).write(provider.file))
	eventually(t, func() bool { return strings.Contains(provider.log(t), "configuration reloaded") }, "the log tells of the reload")
	close(release)
	require.NoError(t, <-published)
	assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
}

// TestBadStart is a provider that an operator has not told enough: it ends with code 2 and says everything that is wrong.
func TestBadStart(t *testing.T) {
	t.Parallel()
	w := shared(t)
	c := w.configOf(connection{Name: "Default", Addresses: []string{"ftp://vault"}, AuthMethod: "userpass"})
	provider, err := w.newProvider(unique("p"), c)
	require.NoError(t, err)
	err = provider.launch(t.Context())
	require.ErrorContains(t, err, "exit status 2")
	for _, field := range []string{"vaults[0].name", "vaults[0].addresses[0]", "vaults[0].authMethod", "vaults[0].audience"} {
		assert.ErrorContains(t, err, field)
	}
	assert.NoFileExists(t, provider.socket)
}

// TestHealthAndMetrics asks all that a running provider serves besides mounts.
func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	w.mounts(t, env, provider)
	refused := class{provider: provider.name, scope: env.sales, objects: "- ref: secret://prod/acme/support/a/b"}
	requireRefused(t, w.pod(t, env.sales, refused.apply(t, w)).Publish(t.Context()), codes.PermissionDenied)

	for _, path := range []string{"/healthz", "/readyz"} {
		code, body, err := get(t.Context(), provider.health+path)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, code, path)
		assert.Equal(t, "ok\n", body, path)
	}
	metrics := provider.scrape(t)
	for _, line := range []string{
		`greentic_provider_mounts_total{reason="ok",result="ok"} 1`,
		`greentic_provider_mounts_total{reason="badge",result="error"} 1`,
		`greentic_provider_mount_seconds_count{result="ok"} 1`,
		`greentic_provider_vault_requests_total{kind="login",status="200"} 1`,
		`greentic_provider_vault_requests_total{kind="read",status="200"} 1`,
		`greentic_provider_vault_requests_total{kind="decrypt",status="200"} 1`,
		`greentic_provider_config_current 1`,
	} {
		assert.Contains(t, metrics, line)
	}
	for _, word := range []string{"prod", "acme", "sales", "gtc", "pod-", "mounts-"} {
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "greentic_provider_") {
				assert.NotContains(t, line, word, "a label names a pod, a secret or a team")
			}
		}
	}

	conn, err := grpc.NewClient("unix:"+provider.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, health.GetStatus())
	version, err := v1alpha1.NewCSIDriverProviderClient(conn).Version(t.Context(), &v1alpha1.VersionRequest{Version: "v1alpha1"})
	require.NoError(t, err)
	assert.Equal(t, "v1alpha1", version.GetVersion())
	assert.Equal(t, "greentic", version.GetRuntimeName())

	require.NoError(t, os.Remove(provider.socket), "nobody reaches it any more")
	code, _, err := get(t.Context(), provider.health+"/readyz")
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, code)
}
