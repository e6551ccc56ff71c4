package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The links themselves are looked at on a real API server, in test/integration. Here is what such a server answers on bad days only.
func TestAClusterThatDoesNotAnswer(t *testing.T) {
	status := func(code int, reason string) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"canary","reason":%q,"code":%d}`, reason, code)
	}
	for name, row := range map[string]struct {
		code int
		body string
		says string
	}{
		"a user that it does not know": {401, status(401, "Unauthorized"), "asking the cluster: it does not accept the credentials: "},
		"a fault of its own":           {500, status(500, "InternalError"), "asking the cluster to get csidrivers.storage.k8s.io: it answers 500 InternalError"},
		"too many requests":            {429, status(429, "TooManyRequests"), "it answers 429 TooManyRequests"},
		"something else":               {502, "<html>canary</html>", "asking the cluster to get csidrivers.storage.k8s.io: it answers 502 "},
		"an object of another shape":   {200, `{"kind":"CSIDriver","apiVersion":"storage.k8s.io/v1","spec":"canary"}`, "reading CSIDriver "},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(row.code)
				_, _ = w.Write([]byte(row.body))
			}))
			defer server.Close()
			client, err := dynamic.NewForConfigAndClient(&rest.Config{Host: server.URL}, server.Client())
			require.NoError(t, err)
			report, err := Check(t.Context(), client, []string{"vault"})
			assert.Nil(t, report)
			require.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

// Before Kubernetes 1.30 there are no admission policies: the list is answered with 404.
func TestAnOldAPIServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/apis/apps/v1/daemonsets" {
			_, _ = w.Write([]byte(`{"kind":"DaemonSetList","apiVersion":"apps/v1","items":[]}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	client, err := dynamic.NewForConfigAndClient(&rest.Config{Host: server.URL}, server.Client())
	require.NoError(t, err)
	report, err := Check(t.Context(), client, []string{"vault"})
	require.NoError(t, err)
	assert.Equal(t, 3, report.Failed())
	last := report.Findings[len(report.Findings)-1]
	assert.Equal(t, Warning, last.Status)
	assert.Contains(t, last.Says, "this API server has no such kind")
}

func TestArgument(t *testing.T) {
	for name, row := range map[string]struct {
		command, args []string
		value         string
		given         bool
	}{
		"none":               {nil, nil, "", false},
		"another":            {nil, []string{"--rotation-poll-interval-x=1s", "rotation-poll-interval=1s"}, "", false},
		"two dashes":         {nil, []string{"--rotation-poll-interval=0s"}, "0s", true},
		"one dash":           {nil, []string{"-rotation-poll-interval=0s"}, "0s", true},
		"a word of its own":  {nil, []string{"--rotation-poll-interval", "0s"}, "0s", true},
		"its word missing":   {nil, []string{"--rotation-poll-interval"}, "", false},
		"in the command":     {[]string{"/driver", "--rotation-poll-interval=0s"}, nil, "0s", true},
		"the last one wins":  {[]string{"/driver", "--rotation-poll-interval=0s"}, []string{"-rotation-poll-interval=5s"}, "5s", true},
		"an empty value":     {nil, []string{"--rotation-poll-interval="}, "", true},
		"a value with a '='": {nil, []string{"--rotation-poll-interval=a=b"}, "a=b", true},
	} {
		t.Run(name, func(t *testing.T) {
			value, given := argument(&corev1.Container{Command: row.command, Args: row.args}, intervalFlag)
			assert.Equal(t, row.value, value)
			assert.Equal(t, row.given, given)
		})
	}
	t.Run("a boolean takes no word", func(t *testing.T) {
		value, given := argument(&corev1.Container{Args: []string{"--enable-secret-rotation", "false"}}, rotationFlag)
		assert.Equal(t, "true", value)
		assert.True(t, given)
	})
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{
		"driver": "", "driver:v1.6.0": "v1.6.0", "registry:5000/driver": "", "registry:5000/a/driver:1.6": "1.6",
		"registry:5000/driver:v1.6.0@sha256:00": "v1.6.0", "driver@sha256:00": "", "": "",
	} {
		assert.Equal(t, want, tag(image), image)
	}
}

func TestValues(t *testing.T) {
	hour := int64(3600)
	for want, values := range map[string]Values{
		"":                             {},
		"enableSecretRotation: true\n": {EnableSecretRotation: true},
		"rotationPollInterval: 0s\n":   {RotationPollInterval: "0s"},
		"tokenRequests: [{audience: vault}, {audience: \"true\", expirationSeconds: 3600}, {audience: \"\"}]\n": {
			TokenRequests: []TokenRequest{{Audience: "vault"}, {"true", &hour}, {}},
		},
	} {
		text, err := values.YAML()
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
}
