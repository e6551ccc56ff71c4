package integration_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// connection is one entry of vaults in a ProviderConfig.
type connection struct {
	Name         string   `json:"name"`
	Addresses    []string `json:"addresses"`
	AuthMethod   string   `json:"authMethod,omitempty"`
	AuthMount    string   `json:"authMount,omitempty"`
	Audience     string   `json:"audience"`
	KVMount      string   `json:"kvMount,omitempty"`
	TransitMount string   `json:"transitMount,omitempty"`
	TransitKey   string   `json:"transitKey,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
}

// config is a ProviderConfig as an operator writes it.
type config struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Vaults     []connection `json:"vaults"`
	Refresh    refresh      `json:"refresh"`
	RawPaths   []rawPath    `json:"rawPaths,omitempty"`
}

// rawPath is one of a ProviderConfig's rawPaths.
type rawPath struct {
	Path   string   `json:"path"`
	Kind   string   `json:"kind,omitempty"`
	Method string   `json:"method,omitempty"`
	Args   []string `json:"args,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
}

// granting is c with raw paths.
func (c config) granting(paths ...rawPath) config {
	c.RawPaths = paths
	return c
}

// refresh is the part of a ProviderConfig about volumes that are mounted already. What is empty has its default.
type refresh struct {
	Interval   string `json:"interval,omitempty"`
	Minimum    string `json:"minimum,omitempty"`
	MaxStale   string `json:"maxStale,omitempty"`
	PodSilence string `json:"podSilence,omitempty"`
	OnDenied   string `json:"onDenied,omitempty"`
	// NoRepublish is that the driver never asks again.
	NoRepublish bool `json:"noRepublish,omitempty"`
}

// configOf is a configuration with these connections; without any, with the lab's Vault alone. Each call of the driver asks Vault, so that a test
// of something else need not wait; sessions_test.go has the usual budget.
func (w *world) configOf(vaults ...connection) config {
	if len(vaults) == 0 {
		vaults = []connection{w.toVault(w.VaultAddr())}
	}
	return config{APIVersion: "greentic.ai/v1alpha1", Kind: "ProviderConfig", Vaults: vaults, Refresh: refresh{Interval: "always"}}
}

// toVault is the default connection, to Vault or to what stands before it.
func (w *world) toVault(address string) connection {
	return connection{Name: "default", Addresses: []string{address}, Audience: "vault"}
}

// refreshing is c with other words about refreshes.
func (c config) refreshing(r refresh) config {
	c.Refresh = r
	return c
}

func (c config) write(file string) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	// As Kubernetes changes a ConfigMap's file: the new one is there at once, or not at all.
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// provider is a running gtc-csi-provider.
type provider struct {
	*lab.Process
	world   *world
	name    string // what classes call it
	socket  string
	file    string // its configuration
	health  string // URLs
	metrics string
	args    []string
	env     []string // besides what misleads
}

// greentic is the provider that all tests may share. It ends with the lab.
func (w *world) greentic(t *testing.T) {
	t.Helper()
	_, err := w.shared()
	require.NoError(t, err)
}

// startProvider starts a provider of this test's own, which ends with the test. Flags are further ones.
func (w *world) startProvider(t *testing.T, c config, flags ...string) *provider {
	t.Helper()
	p, err := w.newProvider(unique("p"), c)
	require.NoError(t, err)
	p.args = append(p.args, flags...)
	p.start(t)
	return p
}

// start starts a provider that ends with the test.
func (p *provider) start(t *testing.T) {
	t.Helper()
	require.NoError(t, p.launch(t.Context()))
	t.Cleanup(p.Kill)
}

// newProvider is a provider that is not started yet.
func (w *world) newProvider(name string, c config) (*provider, error) {
	var addresses [2]string
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		addresses[i] = listener.Addr().String()
	}
	folder := filepath.Join(w.Dir(), "configurations")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	p := &provider{
		world: w, name: name, socket: w.ProviderSocket(name), file: filepath.Join(folder, name+".yaml"),
		health: "http://" + addresses[0], metrics: "http://" + addresses[1] + "/metrics",
	}
	p.args = []string{
		"--endpoint=" + p.socket, "--config=" + p.file, "--health-addr=" + addresses[0], "--metrics-addr=" + addresses[1], "--log-level=debug", "--config-poll=50ms",
	}
	return p, c.write(p.file)
}

// launch starts it and waits until it says that it is ready.
func (p *provider) launch(ctx context.Context) error {
	cmd := exec.Command(p.world.program("gtc-csi-provider"), p.args...)
	// What stands in a provider's environment must not matter: neither Vault's variables nor a way to the API server.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "VAULT_ADDR=http://127.0.0.1:1", "VAULT_TOKEN=ambient", "VAULT_NAMESPACE=ambient", "VAULT_MAX_RETRIES=0",
		"KUBECONFIG=" + p.world.Kubeconfig(), "GOTRACEBACK=all",
	}
	cmd.Env = append(cmd.Env, p.env...)
	var err error
	if p.Process, err = p.world.StartProcess("provider-"+p.name, cmd); err != nil {
		return err
	}
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if code, _, err := get(ctx, p.health+"/readyz"); err == nil && code == http.StatusOK {
			return nil
		}
		select {
		case <-p.Done():
			log, _ := os.ReadFile(p.Log())
			return fmt.Errorf("provider %s ended: %w: %s", p.name, p.Wait(), log)
		default:
		}
	}
	return fmt.Errorf("provider %s is not ready within %s", p.name, soon)
}

// get is the status and body of a URL.
func get(ctx context.Context, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// scrape is the text of the provider's metrics.
func (p *provider) scrape(t *testing.T) string {
	t.Helper()
	code, body, err := get(t.Context(), p.metrics)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	return body
}

// client is a client of the provider's socket, as the driver is one.
func (p *provider) client(t *testing.T) v1alpha1.CSIDriverProviderClient {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+p.socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("localhost"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return v1alpha1.NewCSIDriverProviderClient(conn)
}

// log is all that the provider has written.
func (p *provider) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.Log())
	require.NoError(t, err)
	return string(text)
}
