package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driver has a name.
type driver struct {
	csi.UnimplementedIdentityServer
	name string
}

func (d driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name}, nil
}

// serve starts a driver and returns its socket.
func serve(t *testing.T, name string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, &driver{name: name})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		assert.NoError(t, <-served)
	})
	return socket
}

// kubelet is a client of the registration socket, as the kubelet is when it has seen it.
func kubelet(t *testing.T, folder string) registration.RegistrationClient {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+filepath.Join(folder, "a.driver-reg.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return registration.NewRegistrationClient(conn)
}

func TestTheKubeletHearsOfTheDriver(t *testing.T) {
	for name, row := range map[string]struct {
		status *registration.RegistrationStatus
		says   string
	}{
		"taken":   {status: &registration.RegistrationStatus{PluginRegistered: true}},
		"refused": {status: &registration.RegistrationStatus{Error: "no such version"}, says: "the kubelet refused the registration: no such version"},
	} {
		t.Run(name, func(t *testing.T) {
			socket, folder := serve(t, "a.driver"), t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "a.driver-reg.sock"), nil, 0o600), "what an earlier run left is no hindrance")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, socket, "/plugins/a/csi.sock", folder) }()
			asking, stop := context.WithTimeout(ctx, 5*time.Second)
			defer stop()
			client := kubelet(t, folder)
			info, err := client.GetInfo(asking, &registration.InfoRequest{}, grpc.WaitForReady(true))
			require.NoError(t, err)
			assert.Equal(t, "CSIPlugin", info.GetType())
			assert.Equal(t, "a.driver", info.GetName())
			assert.Equal(t, "/plugins/a/csi.sock", info.GetEndpoint())
			assert.Equal(t, []string{"1.0.0"}, info.GetSupportedVersions())
			_, _ = client.NotifyRegistrationStatus(asking, row.status) // the answer may be lost with the program that ends
			if row.says != "" {
				err := <-ended
				require.ErrorIs(t, err, errRefused)
				assert.EqualError(t, err, row.says)
				return
			}
			_, err = client.GetInfo(asking, &registration.InfoRequest{})
			require.NoError(t, err, "a kubelet that restarts asks again")
			cancel()
			assert.NoError(t, <-ended)
		})
	}
}

func TestADriverWithoutANameIsNotRegistered(t *testing.T) {
	folder := t.TempDir()
	assert.EqualError(t, run(t.Context(), serve(t, ""), "/x", folder), "asking the driver for its name: it has none")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestWaitingForADriverEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, run(ctx, filepath.Join(t.TempDir(), "none"), "/x", t.TempDir()), "asking the driver for its name: ")
}
