package provider_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wired is a provider as the driver sees it: a client of its socket.
type wired struct {
	v1alpha1.CSIDriverProviderClient
	server   *provider.Server
	log      *written
	registry *prometheus.Registry
}

// written is a log that may be read while it is written.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// wire starts a provider with the configuration and a short deadline.
func wire(t *testing.T, configuration string) *wired {
	t.Helper()
	w := &wired{log: &written{}, registry: prometheus.NewRegistry()}
	log := slog.New(slog.NewJSONHandler(io.MultiWriter(w.log, t.Output()), &slog.HandlerOptions{Level: slog.LevelDebug}))
	settings, err := config.Parse([]byte(configuration), nil)
	require.NoError(t, err)
	w.server, err = provider.New(settings, provider.Options{Version: "1.2.3", Logger: log, Metrics: w.registry})
	require.NoError(t, err)
	t.Cleanup(w.server.Close)

	endpoint := filepath.Join(t.TempDir(), "greentic.sock")
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- rpc.Serve(ctx, rpc.Options{Endpoint: endpoint, Service: w.server, Logger: log, Deadline: 2 * time.Second})
	}()
	conn, err := grpc.NewClient("unix:"+endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithContextDialer(dialWhenThere(endpoint)))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
	})
	w.CSIDriverProviderClient = v1alpha1.NewCSIDriverProviderClient(conn)
	return w
}

// dialWhenThere spares the client's pause of a second after an attempt that came before the socket.
func dialWhenThere(endpoint string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		for {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", endpoint)
			if err == nil || ctx.Err() != nil {
				return conn, err
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func configuration(v *doubleVault) string {
	return fmt.Sprintf(`
apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- name: default
  addresses: [%q]
  audience: vault
- name: europe
  addresses: [%q]
  authMethod: jwt
  audience: vault-eu
  scopes: ["prod/eu/*"]
`, v.URL, v.URL)
}

// request is a mount as the driver sends it, made of parts that a test may change.
type request struct {
	attributes map[string]string
	claims     map[string]any
	audience   string            // under which the token is sent
	signature  string            // of the token
	secrets    map[string]string // nil is the driver's "null"
	noTokens   bool
}

// good is a request of the pod worker-0 of prod/acme/sales that the double can serve.
func good(objects string) *request {
	return &request{
		audience: "vault", signature: "c2lnbmF0dXJl",
		attributes: map[string]string{
			"scope": "prod/acme/sales", "objects": objects, "secretProviderClass": "worker",
			"csi.storage.k8s.io/pod.name":            "worker-0",
			"csi.storage.k8s.io/pod.namespace":       "gtc-prod--acme--sales",
			"csi.storage.k8s.io/pod.uid":             "0f0e0d0c-0b0a-0908-0706-050403020100",
			"csi.storage.k8s.io/serviceAccount.name": "gtc.acme.sales",
			"csi.storage.k8s.io/ephemeral":           "true",
		},
		claims: map[string]any{
			"sub": "system:serviceaccount:gtc-prod--acme--sales:gtc.acme.sales", "aud": []string{"vault"}, "exp": time.Now().Add(time.Hour).Unix(),
			"kubernetes.io": map[string]any{
				"namespace": "gtc-prod--acme--sales", "serviceaccount": map[string]any{"name": "gtc.acme.sales", "uid": "u"},
				"pod": map[string]any{"name": "worker-0", "uid": "0f0e0d0c-0b0a-0908-0706-050403020100"},
			},
		},
	}
}

func (r *request) token() string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "RS256", "kid": "k"}) + "." + part(r.claims) + "." + r.signature
}

func (r *request) tokens() string {
	text, _ := json.Marshal(map[string]any{r.audience: map[string]string{"token": r.token(), "expirationTimestamp": "2030-01-01T00:00:00Z"}})
	return string(text)
}

const tokensKey = "csi.storage.k8s.io/serviceAccount.tokens"

func (r *request) wire() *v1alpha1.MountRequest {
	attributes := maps.Clone(r.attributes)
	if _, given := attributes[tokensKey]; !given && !r.noTokens {
		attributes[tokensKey] = r.tokens()
	}
	text, _ := json.Marshal(attributes)
	secrets, _ := json.Marshal(r.secrets)
	return &v1alpha1.MountRequest{Attributes: string(text), Secrets: string(secrets), TargetPath: "/nowhere", Permission: "420"}
}

func (w *wired) mount(t *testing.T, r *request) (*v1alpha1.MountResponse, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return w.Mount(ctx, r.wire())
}
