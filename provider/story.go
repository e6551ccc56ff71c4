package provider

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// story is what a mount's one log line tells. It holds no value, no token and no parameter but the scope.
type story struct {
	identity   badge.Pod
	scope      string
	connection string
	login      string // Vault's request id
	objects    int
	files      int
	answer     session.Answer
}

func (s *story) asked(request mount.Request) {
	if request.Pod.Name != "" {
		s.identity = request.Pod
	}
	s.scope = request.Params.Scope.String()
	s.objects = len(request.Params.Objects)
}

// again is the story of a call that nobody looked into.
func (s *story) again(v session.Volume) {
	s.identity = v.Pod
	s.scope, s.connection, s.objects = v.Scope, v.Connection, v.Objects
}

func (s *story) answered(a session.Answer) {
	s.login, s.answer = a.Login, a
	s.answer.Bytes = secret.Value{}
}

// pod is <namespace>/<name>, or empty as long as it is not known.
func (s *story) pod() string {
	if s.identity.Name == "" {
		return ""
	}
	return s.identity.Namespace + "/" + s.identity.Name
}

// level is how loud a good end is told. The driver asks for ever, and an answer from memory is no news.
func (s *story) level() slog.Level {
	switch s.answer.From {
	case session.Memory, session.Stale, session.Removed:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// tell writes the mount's log line and counts it.
func (s *Server) tell(ctx context.Context, story *story, took time.Duration, err error) {
	meaning := meaningOf(err)
	s.metrics.mounted(meaning, took)
	s.metrics.told(story.answer, err)
	if err == nil && !story.answer.Turned && !s.log.Enabled(ctx, story.level()) {
		return // as most calls of the driver end
	}
	attributes := []slog.Attr{
		slog.String(logkey.Pod, story.pod()), slog.String(logkey.PodUID, story.identity.UID), slog.String(logkey.Scope, story.scope),
		slog.String(logkey.Connection, story.connection), slog.String(logkey.RequestID, story.login),
		slog.Int(logkey.Objects, story.objects), slog.Duration(logkey.Duration, took),
	}
	s.tellTurn(ctx, story, attributes)
	if err == nil {
		s.log.LogAttrs(ctx, story.level(), "mounted",
			append(attributes, slog.Int(logkey.Files, story.files), slog.String(logkey.From, string(story.answer.From)))...)
		return
	}
	level := slog.LevelWarn
	switch {
	case story.answer.Trouble != nil:
		level = slog.LevelDebug // told when it began
	case meaning.code == codes.Internal:
		level = slog.LevelError
	}
	s.log.LogAttrs(ctx, level, "mount failed", append(attributes,
		slog.String(logkey.Code, meaning.code.String()), slog.String(logkey.Reason, meaning.reason), slog.String(logkey.Error, textOf(err)))...)
}

// observe counts a request to Vault and tells of it at the debug level.
func (s *Server) observe(e vault.Event) {
	s.metrics.asked(e)
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return // three times a mount
	}
	s.log.Debug("asked vault", logkey.Request, string(e.Kind), logkey.Status, e.Status,
		logkey.Pod, e.Pod.Namespace+"/"+e.Pod.Name, logkey.PodUID, e.Pod.UID, logkey.Duration, e.Duration)
}
