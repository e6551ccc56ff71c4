package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/logkey"
)

// interceptor stands around every call.
type interceptor struct {
	log      *slog.Logger
	deadline time.Duration
	mounts   *calls
}

// unary bounds a call's time, recovers its panic, makes its code one that decides, and logs that it was, without a word of what it was
// about.
func (i *interceptor) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	began := time.Now()
	ctx, release := i.mounts.bound(ctx, began.Add(i.deadline))
	defer release()
	response, err := i.call(ctx, request, info.FullMethod, handler)
	i.log.LogAttrs(ctx, slog.LevelDebug, "called", slog.String(logkey.Method, info.FullMethod),
		slog.String(logkey.Code, status.Code(err).String()), slog.Duration(logkey.Duration, time.Since(began)))
	return response, err
}

func (i *interceptor) call(ctx context.Context, request any, method string, handler grpc.UnaryHandler) (any, error) {
	if method != v1alpha1.CSIDriverProvider_Mount_FullMethodName {
		return i.recovered(ctx, request, method, handler)
	}
	if err := i.mounts.begin(); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	defer i.mounts.running.Done()
	response, err := i.recovered(ctx, request, method, handler)
	return response, decided(ctx, err)
}

// recovered calls handler. A panic's value may hold anything and is neither logged nor answered; its type and stack say where it was.
func (i *interceptor) recovered(ctx context.Context, request any, method string, handler grpc.UnaryHandler) (response any, err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		stack := debug.Stack()
		if elsewhere, ok := cause.(interface{ Stack() []byte }); ok {
			stack = append(elsewhere.Stack(), stack...)
		}
		i.log.LogAttrs(ctx, slog.LevelError, "panic", slog.String(logkey.Method, method),
			slog.String(logkey.Error, fmt.Sprintf("%T", cause)), slog.String(logkey.Stack, string(stack)))
		response, err = nil, status.Error(codes.Internal, "a bug in the provider (panic); its log has the place: report it")
	}()
	return handler(ctx, request)
}

// decided makes err one whose code lets the kubelet clean up and try again.
func decided(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), errStopping) {
		return status.Error(codes.FailedPrecondition, errStopping.Error())
	}
	of, isStatus := status.FromError(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return status.Error(codes.FailedPrecondition, "the time for the mount ended")
	case !isStatus:
		return status.Error(codes.Internal, "a bug in the provider: an error without a code")
	}
	switch of.Code() {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled:
		return status.Error(codes.FailedPrecondition, of.Message())
	case codes.Unknown:
		return status.Error(codes.Internal, of.Message())
	default:
		return err
	}
}
