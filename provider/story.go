package provider

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// story is what a mount's one log line tells. It holds no value, no token and no parameter but the scope.
type story struct {
	pod, uid   string
	scope      string
	connection string
	login      string // Vault's request id
	objects    int
	files      int
}

func (s *story) asked(request mount.Request) {
	if request.Pod.Name != "" {
		s.pod, s.uid = request.Pod.Namespace+"/"+request.Pod.Name, request.Pod.UID
	}
	s.scope = request.Params.Scope.String()
	s.objects = len(request.Params.Objects)
}

// tell writes the mount's log line and counts it.
func (s *Server) tell(ctx context.Context, story *story, took time.Duration, err error) {
	meaning := meaningOf(err)
	s.metrics.mounted(meaning, took)
	attributes := []slog.Attr{
		slog.String(logkey.Pod, story.pod), slog.String(logkey.PodUID, story.uid), slog.String(logkey.Scope, story.scope),
		slog.String(logkey.Connection, story.connection), slog.String(logkey.RequestID, story.login),
		slog.Int(logkey.Objects, story.objects), slog.Duration(logkey.Duration, took),
	}
	if err == nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "mounted", append(attributes, slog.Int(logkey.Files, story.files))...)
		return
	}
	level := slog.LevelWarn
	if meaning.code == codes.Internal {
		level = slog.LevelError
	}
	s.log.LogAttrs(ctx, level, "mount failed", append(attributes,
		slog.String(logkey.Code, meaning.code.String()), slog.String(logkey.Reason, meaning.reason), slog.String(logkey.Error, textOf(err)))...)
}

// observe counts a request to Vault and tells of it at the debug level.
func (s *Server) observe(e vault.Event) {
	s.metrics.asked(e)
	s.log.Debug("asked vault", logkey.Request, string(e.Kind), logkey.Status, e.Status,
		logkey.Pod, e.Pod.Namespace+"/"+e.Pod.Name, logkey.PodUID, e.Pod.UID, logkey.Duration, e.Duration)
}
