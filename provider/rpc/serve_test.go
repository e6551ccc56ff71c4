package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/rpc"
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
type running struct {
	endpoint string
	conn     *grpc.ClientConn
	client   v1alpha1.CSIDriverProviderClient
	log      *written
	stop     context.CancelFunc
	ended    chan error
}

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

func start(t *testing.T, endpoint string, mount func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error), o rpc.Options) *running {
	t.Helper()
	r := &running{endpoint: endpoint, log: &written{}, ended: make(chan error, 1)}
	o.Endpoint, o.Service = endpoint, service{mount: mount}
	o.Logger = slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.ended <- rpc.Serve(ctx, o) }()
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), `"msg":"serving"`) }, 10*time.Second, time.Millisecond)
	r.conn, r.client = dial(t, endpoint)
	t.Cleanup(func() {
		r.stop()
		_ = r.conn.Close()
	})
	return r
}

func dial(t *testing.T, endpoint string) (*grpc.ClientConn, v1alpha1.CSIDriverProviderClient) {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	return conn, v1alpha1.NewCSIDriverProviderClient(conn)
}

func (r *running) mount(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := r.client.Mount(ctx, &v1alpha1.MountRequest{})
	return err
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the server does not end")
	}
}

func endpoint(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "greentic.sock")
}

func fine(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	return &v1alpha1.MountResponse{}, nil
}

func TestAllCodesLetTheKubeletDecide(t *testing.T) {
	undecided := []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled}
	var next atomic.Pointer[error]
	r := start(t, endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		return nil, *next.Load()
	}, rpc.Options{})
	defer r.end(t)
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
		err := r.mount(t)
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
			err := r.mount(t)
			assert.Equal(t, row.code, status.Code(err))
			assert.Equal(t, row.text, status.Convert(err).Message())
		})
	}
}

func TestAMountHasADeadline(t *testing.T) {
	r := start(t, endpoint(t), func(ctx context.Context, _ *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, rpc.Options{Deadline: 50 * time.Millisecond})
	defer r.end(t)
	assert.Equal(t, codes.FailedPrecondition, status.Code(r.mount(t)))
}

// stacked is a panic that brings the stack of another goroutine.
type stacked struct{}

func (stacked) Stack() []byte { return []byte("elsewhere") }

func TestAPanicIsOneMountsFault(t *testing.T) {
	var cause atomic.Pointer[any]
	r := start(t, endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		if c := cause.Load(); c != nil {
			panic(*c)
		}
		return &v1alpha1.MountResponse{}, nil
	}, rpc.Options{})
	defer r.end(t)
	for _, of := range []any{"canary", errors.New("canary"), stacked{}} {
		cause.Store(&of)
		err := r.mount(t)
		assert.Equal(t, codes.Internal, status.Code(err))
		assert.NotContains(t, err.Error(), "canary")
	}
	assert.Contains(t, r.log.String(), "serve_test.go", "the log says where")
	assert.Contains(t, r.log.String(), "elsewhere")
	assert.NotContains(t, r.log.String(), "canary", "and not what")
	cause.Store(nil)
	require.NoError(t, r.mount(t), "the server lives")
}

func TestARequestAboveAnyClassIsTaken(t *testing.T) {
	r := start(t, endpoint(t), fine, rpc.Options{})
	defer r.end(t)
	_, err := r.client.Mount(t.Context(), &v1alpha1.MountRequest{Attributes: strings.Repeat("x", 24<<20)})
	require.NoError(t, err)
}

func TestStoppingWaitsForMounts(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	r := start(t, endpoint(t), func(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		close(inside)
		<-leave
		return &v1alpha1.MountResponse{}, nil
	}, rpc.Options{})
	first := make(chan error, 1)
	go func() { first <- r.mount(t) }()
	<-inside
	r.stop()
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), `"msg":"stopping"`) }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		answer, err := grpc_health_v1.NewHealthClient(r.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}, 5*time.Second, time.Millisecond, "the listener is still there, and says that it is not for long")
	err := r.mount(t)
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "no new ones")
	assert.ErrorContains(t, err, "the provider is being stopped")
	close(leave)
	require.NoError(t, <-first)
	r.end(t)
	assert.NoFileExists(t, r.endpoint)
}

func TestStoppingAnswersWhatTakesTooLong(t *testing.T) {
	inside := make(chan struct{})
	r := start(t, endpoint(t), func(ctx context.Context, _ *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
		close(inside)
		<-ctx.Done()
		return nil, status.Error(codes.Canceled, "whatever")
	}, rpc.Options{Grace: 400 * time.Millisecond})
	answered := make(chan error, 1)
	go func() { answered <- r.mount(t) }()
	<-inside
	began := time.Now()
	r.stop()
	err := <-answered
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "%v", err)
	assert.ErrorContains(t, err, "the provider is being stopped")
	assert.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond, "it had its time")
	r.end(t)
}

func TestAWatcherOfHealthDoesNotHoldTheServer(t *testing.T) {
	r := start(t, endpoint(t), fine, rpc.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(r.conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	answer, err := watch.Recv()
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.GetStatus())
	r.end(t)
}

func TestServeSaysWhyItCannot(t *testing.T) {
	err := rpc.Serve(t.Context(), rpc.Options{Endpoint: filepath.Join(t.TempDir(), "nowhere", "x.sock"), Service: service{mount: fine}})
	assert.ErrorContains(t, err, "listening at")
}
