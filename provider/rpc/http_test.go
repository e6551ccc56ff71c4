package rpc_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func get(handler http.Handler, path string) (int, string) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code, answer.Body.String()
}

func TestHealthIsTheSockets(t *testing.T) {
	path := rpctest.Endpoint(t)
	handler := rpc.HealthHandler(path)
	for _, at := range []string{"/healthz", "/readyz"} {
		code, text := get(handler, at)
		assert.Equal(t, 503, code, "%s before the socket is there", at)
		assert.Equal(t, "the provider's socket does not answer\n", text)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	r := start(t, path, func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		close(inside)
		<-leave
		return &v1alpha1.MountResponse{}, nil
	}, rpc.Options{})
	for _, at := range []string{"/healthz", "/readyz"} {
		code, text := get(handler, at)
		assert.Equal(t, 200, code, "%s", text)
	}
	done := make(chan error, 1)
	go func() { done <- r.mount() }()
	<-inside
	r.Stop()
	require.Eventually(t, func() bool { code, _ := get(handler, "/readyz"); return code == 503 }, 30*time.Second, 5*time.Millisecond, "stopping is not ready")
	code, _ := get(handler, "/healthz")
	assert.Equal(t, 200, code, "but alive")
	close(leave)
	require.NoError(t, <-done)
	r.End(t)
	code, _ = get(handler, "/nothing")
	assert.Equal(t, 404, code)
}

func TestServeHTTP(t *testing.T) {
	log := &rpctest.Log{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	go func() { ended <- rpc.ServeHTTP(ctx, "127.0.0.1:0", handler, slog.New(slog.NewJSONHandler(log, nil))) }()
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	require.Eventually(t, func() bool { return address.MatchString(log.String()) }, 30*time.Second, time.Millisecond)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address.FindStringSubmatch(log.String())[1])
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, "hello", string(text))

	err = rpc.ServeHTTP(t.Context(), address.FindStringSubmatch(log.String())[1], handler, slog.New(slog.DiscardHandler))
	assert.ErrorContains(t, err, "serving HTTP: ", "the address is taken")
	stop()
	require.NoError(t, <-ended)
}
