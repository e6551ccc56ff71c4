package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers mounts with a function.
type service struct {
	v1alpha1.UnimplementedCSIDriverProviderServer
	mount func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error)
}

func (s service) Mount(ctx context.Context, r *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	return s.mount(ctx, r)
}

func (s service) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: "v1alpha1"}, nil
}

// running is a server under test.
type running struct{ *rpctest.Running }

func start(t *testing.T, endpoint string, mount func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error), o rpc.Options) running {
	t.Helper()
	o.Endpoint, o.Service = endpoint, service{mount: mount}
	return running{rpctest.Serve(t, &rpctest.Log{}, o)}
}

func (r running) mount() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := r.Mount(ctx, &v1alpha1.MountRequest{})
	return err
}

func fine(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	return &v1alpha1.MountResponse{}, nil
}

func TestAllCodesLetTheKubeletDecide(t *testing.T) {
	undecided := []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled}
	var next atomic.Pointer[error]
	r := start(t, rpctest.Endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		return nil, *next.Load()
	}, rpc.Options{})
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		want := code
		switch code {
		case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled:
			want = codes.FailedPrecondition
		case codes.Unknown:
			want = codes.Internal
		default:
		}
		text := status.Error(code, "text")
		next.Store(&text)
		err := r.mount()
		assert.Equal(t, want, status.Code(err), "%s", code)
		assert.NotContains(t, undecided, status.Code(err))
		assert.Equal(t, "text", status.Convert(err).Message())
	}
	for name, row := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"a deadline":     {fmt.Errorf("canary: %w", context.DeadlineExceeded), codes.FailedPrecondition, "the time for the mount ended"},
		"a cancellation": {fmt.Errorf("canary: %w", context.Canceled), codes.FailedPrecondition, "the time for the mount ended"},
		"any error":      {errors.New("canary"), codes.Internal, "a bug in the provider: an error without a code"},
	} {
		t.Run(name, func(t *testing.T) {
			next.Store(&row.err)
			err := r.mount()
			assert.Equal(t, row.code, status.Code(err))
			assert.Equal(t, row.text, status.Convert(err).Message())
		})
	}
}

func TestAMountHasADeadline(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), func(ctx context.Context, _ *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, rpc.Options{Deadline: 50 * time.Millisecond})
	assert.Equal(t, codes.FailedPrecondition, status.Code(r.mount()))
}

// stacked is a panic that brings the stack of another goroutine.
type stacked struct{}

func (stacked) Stack() []byte { return []byte("elsewhere") }

func TestAPanicIsOneMountsFault(t *testing.T) {
	var cause atomic.Pointer[any]
	r := start(t, rpctest.Endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		if c := cause.Load(); c != nil {
			panic(*c)
		}
		return &v1alpha1.MountResponse{}, nil
	}, rpc.Options{})
	for _, of := range []any{"canary", errors.New("canary"), stacked{}} {
		cause.Store(&of)
		err := r.mount()
		assert.Equal(t, codes.Internal, status.Code(err))
		assert.NotContains(t, err.Error(), "canary")
	}
	assert.Contains(t, r.Log.String(), "serve_test.go", "the log says where")
	assert.Contains(t, r.Log.String(), "elsewhere")
	assert.NotContains(t, r.Log.String(), "canary", "and not what")
	cause.Store(nil)
	require.NoError(t, r.mount(), "the server lives")
}

func TestARequestAboveAnyClassIsTaken(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), fine, rpc.Options{})
	_, err := r.Mount(t.Context(), &v1alpha1.MountRequest{Attributes: strings.Repeat("x", 24<<20)})
	require.NoError(t, err)
}

func TestStoppingWaitsForMounts(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	r := start(t, rpctest.Endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		close(inside)
		<-leave
		return &v1alpha1.MountResponse{}, nil
	}, rpc.Options{})
	first := make(chan error, 1)
	go func() { first <- r.mount() }()
	<-inside
	r.Stop()
	r.Log.WaitFor(t, `"msg":"stopping"`)
	require.Eventually(t, func() bool {
		answer, err := grpc_health_v1.NewHealthClient(r.Conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}, 30*time.Second, time.Millisecond, "the listener is still there, and says that it is not for long")
	err := r.mount()
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "no new ones")
	assert.ErrorContains(t, err, "the provider is being stopped")
	close(leave)
	require.NoError(t, <-first)
	r.End(t)
	assert.NoFileExists(t, r.Endpoint)
}

func TestStoppingAnswersWhatTakesTooLong(t *testing.T) {
	inside := make(chan struct{})
	r := start(t, rpctest.Endpoint(t), func(ctx context.Context, _ *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		close(inside)
		<-ctx.Done()
		return nil, status.Error(codes.Canceled, "whatever")
	}, rpc.Options{Grace: 400 * time.Millisecond})
	answered := make(chan error, 1)
	go func() { answered <- r.mount() }()
	<-inside
	began := time.Now()
	r.Stop()
	err := <-answered
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "%v", err)
	assert.ErrorContains(t, err, "the provider is being stopped")
	assert.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond, "it had its time")
	r.End(t)
}

func TestAWatcherOfHealthDoesNotHoldTheServer(t *testing.T) {
	r := start(t, rpctest.Endpoint(t), fine, rpc.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(r.Conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	answer, err := watch.Recv()
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.GetStatus())
	r.End(t)
}

func TestServeSaysWhyItCannot(t *testing.T) {
	err := rpc.Serve(t.Context(), rpc.Options{Endpoint: filepath.Join(t.TempDir(), "nowhere", "x.sock"), Service: service{mount: fine}})
	assert.ErrorContains(t, err, "listening at")
}
