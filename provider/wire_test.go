package provider_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/rpc"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wired is a provider as the driver sees it: a client of its socket.
type wired struct {
	v1alpha1.CSIDriverProviderClient
	server   *provider.Server
	log      *rpctest.Log
	registry *prometheus.Registry
	events   chan events.Event // on the pods
}

// wire starts a provider with the configuration and a deadline that a busy machine keeps.
func wire(t *testing.T, configuration string) *wired {
	return wireWithin(t, configuration, 30*time.Second)
}

// wireWithin is wire with another deadline of a mount.
func wireWithin(t *testing.T, configuration string, deadline time.Duration) *wired {
	t.Helper()
	settings, err := config.Parse([]byte(configuration), nil)
	require.NoError(t, err)
	w := &wired{log: &rpctest.Log{}, registry: prometheus.NewRegistry(), events: make(chan events.Event, 100)}
	w.server, err = provider.New(settings, provider.Options{
		Version: "1.2.3", Logger: w.log.Logger(t), Metrics: w.registry, Tell: func(e events.Event) { w.events <- e },
	})
	require.NoError(t, err)
	t.Cleanup(w.server.Close)
	w.CSIDriverProviderClient = rpctest.Serve(t, w.log, rpc.Options{Service: w.server, Deadline: deadline})
	return w
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
