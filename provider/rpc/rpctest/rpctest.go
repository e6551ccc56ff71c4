// Package rpctest serves a provider at a socket of its own and calls it as the driver does, for tests of what stands behind the socket.
package rpctest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
)

// Running is a provider that is served, and a client of it.
type Running struct {
	v1alpha1.CSIDriverProviderClient
	Endpoint string           // the socket's path
	Conn     *grpc.ClientConn // what the client calls over
	Log      *Log             // what the server writes
	// Stop tells the server to stop, as SIGTERM does. It does not wait.
	Stop context.CancelFunc

	ended chan struct{} // closed when Serve has returned err
	err   error
}

// Serve serves until the test ends, with a logger that writes to log in place of o's. An empty Endpoint is a new one. It returns when the
// socket is there.
func Serve(t testing.TB, log *Log, o rpc.Options) *Running {
	t.Helper()
	if o.Endpoint == "" {
		o.Endpoint = Endpoint(t)
	}
	o.Logger = log.Logger(t)
	ctx, stop := context.WithCancel(context.Background())
	r := &Running{Endpoint: o.Endpoint, Log: log, Stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = rpc.Serve(ctx, o)
	}()
	t.Cleanup(func() { r.End(t) })
	log.WaitFor(t, `"msg":"serving"`)
	r.Conn = Dial(t, o.Endpoint)
	r.CSIDriverProviderClient = v1alpha1.NewCSIDriverProviderClient(r.Conn)
	return r
}

// End stops the server and waits until it has ended, without an error. It may be called again.
func (r *Running) End(t testing.TB) {
	t.Helper()
	r.Stop()
	select {
	case <-r.ended:
		assert.NoError(t, r.err)
	case <-time.After(40 * time.Second): // more than the default of rpc.Options.Grace
		assert.Fail(t, "the server does not end")
	}
}

// Endpoint is the path of a socket in a folder of its own.
func Endpoint(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "greentic.sock")
}

// Dial is a connection to the socket at endpoint that the test's end closes.
func Dial(t testing.TB, endpoint string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return conn
}
