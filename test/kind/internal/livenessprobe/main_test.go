package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

// driver answers a Probe as it is told to.
type driver struct {
	csi.UnimplementedIdentityServer
	probe func(context.Context) (*csi.ProbeResponse, error)
}

func (d driver) Probe(ctx context.Context, _ *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return d.probe(ctx)
}

// serve starts a driver and returns its socket.
func serve(t *testing.T, d driver) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, &d)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		assert.NoError(t, <-served)
	})
	return socket
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestHealthIsTheDriversAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		probe func(context.Context) (*csi.ProbeResponse, error)
		want  int
	}{
		"says nothing of being ready": {want: 200, probe: func(context.Context) (*csi.ProbeResponse, error) { return &csi.ProbeResponse{}, nil }},
		"ready": {want: 200, probe: func(context.Context) (*csi.ProbeResponse, error) {
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
		}},
		"not ready": {want: 500, probe: func(context.Context) (*csi.ProbeResponse, error) {
			return &csi.ProbeResponse{Ready: wrapperspb.Bool(false)}, nil
		}},
		"an error": {want: 500, probe: func(context.Context) (*csi.ProbeResponse, error) { return nil, errors.New("no") }},
		"too slow": {want: 500, probe: func(ctx context.Context) (*csi.ProbeResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			socket, address := serve(t, driver{probe: row.probe}), freeAddress(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, socket, address, 200*time.Millisecond) }()
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				answer, err := http.Get("http://" + address + "/healthz")
				if assert.NoError(t, err) {
					assert.NoError(t, answer.Body.Close())
					assert.Equal(t, row.want, answer.StatusCode)
				}
			}, 30*time.Second, 20*time.Millisecond)
			cancel()
			assert.NoError(t, <-ended)
		})
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	assert.ErrorContains(t, run(t.Context(), "/none", listener.Addr().String(), time.Second), "serving /healthz: ")
}
