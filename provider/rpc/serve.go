package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/logkey"
)

// Options say what is served and how.
type Options struct {
	// Endpoint is the socket's path.
	Endpoint string
	// Service answers the driver.
	Service v1alpha1.CSIDriverProviderServer
	// Logger is told of calls (debug), refused connections and panics; nil discards.
	Logger *slog.Logger
	// Deadline is how long a call may take; 0 is 55 s, well inside the 120 s that the kubelet gives a mount.
	Deadline time.Duration
	// Grace is how long stopping may take, and has to be less than the pod's terminationGracePeriodSeconds (30 by default); 0 is 25 s.
	// A mount that is not done 5 s before its end (at half of it, if it is shorter than 10 s) is answered FailedPrecondition.
	Grace time.Duration
}

const (
	defaultDeadline = 55 * time.Second
	defaultGrace    = 25 * time.Second
	lastWords       = 5 * time.Second
	// maxRequest has to be above any class, or gRPC would answer ResourceExhausted in our name. A class and a pod are at most 1.5 MiB
	// each (etcd), a Secret 1 MiB; as JSON in a string a byte becomes at most six.
	maxRequest = 32 << 20
)

// Serve serves until ctx ends, and then stops in good order: it takes no more mounts, waits for those on their way, answers what is left,
// closes the listener and removes its socket. It returns nil if ctx ended it.
func Serve(ctx context.Context, o Options) error {
	o = o.withDefaults()
	listener, err := listen(o.Endpoint, func(message string, err error) { o.Logger.Warn(message, logkey.Error, err.Error()) })
	if err != nil {
		return err
	}
	mounts := newCalls()
	defer mounts.stop(nil)
	around := interceptor{log: o.Logger, deadline: o.Deadline, mounts: mounts}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest), grpc.UnaryInterceptor(around.unary))
	state := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	v1alpha1.RegisterCSIDriverProviderServer(server, o.Service)
	state.SetServingStatus(v1alpha1.CSIDriverProvider_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	o.Logger.Info("serving", logkey.Socket, o.Endpoint)
	select {
	case err = <-served: // only a broken listener gets here
		err = fmt.Errorf("serving at %q: %w", o.Endpoint, err)
	case <-ctx.Done():
		o.Logger.Info("stopping", logkey.Socket, o.Endpoint)
		state.Shutdown()
		o.drain(mounts)
		gracefulStop(server)
		if err = <-served; errors.Is(err, grpc.ErrServerStopped) {
			err = nil // it was stopped before it began
		}
	}
	server.Stop()
	return errors.Join(err, listener.remove())
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	return o
}

// drain returns when no mount is on its way, having ended those that took too long.
func (o Options) drain(mounts *calls) {
	last := min(lastWords, o.Grace/2)
	ended := mounts.drain()
	if waitFor(ended, o.Grace-last) {
		return
	}
	mounts.stop(errStopping)
	if !waitFor(ended, last) {
		o.Logger.Error("a mount did not end in time")
	}
}

func waitFor(done <-chan struct{}, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// gracefulStop closes the listener and the connections once the answers are on their way. Whoever watches the health service's stream
// never ends by himself, so that it is not waited for long.
func gracefulStop(server *grpc.Server) {
	const most = time.Second
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.GracefulStop()
	}()
	if !waitFor(stopped, most) {
		server.Stop()
		<-stopped
	}
}
