package provider

import (
	"context"
	"log/slog"
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// The reasons of the events on a pod.
const (
	reasonFailed   = "GreenticRefreshFailed"
	reasonRestored = "GreenticRefreshRestored"
	reasonTooOld   = "GreenticSecretsTooOld"
	reasonLost     = "GreenticLeaseLost"
)

// tellTurn tells, in the log and on the pod, that a volume's refreshes begin to fail or work again, and not of each: the driver hides
// their errors, and asks for ever.
func (s *Server) tellTurn(ctx context.Context, story *story, attributes []slog.Attr) {
	answer := story.answer
	switch {
	case answer.Spent:
		text := textOf(answer.Trouble)
		s.log.LogAttrs(ctx, slog.LevelWarn, "last answer is older than maxStale, it does not stand in any more",
			append(slices.Clone(attributes), slog.String(logkey.Error, text))...)
		s.notify(events.Event{Pod: story.identity, Warning: true, Reason: reasonTooOld, Message: "the volume's secrets are older than the provider's " +
			"refresh.maxStale allows: it does not answer with them any more, and the files stay as they were until they can be read again: " + text})
	case !answer.Turned:
	case answer.Trouble == nil:
		s.log.LogAttrs(ctx, slog.LevelInfo, "refresh works again", attributes...)
		s.notify(events.Event{Pod: story.identity, Reason: reasonRestored, Message: "the volume's secrets are read from Vault again"})
	default:
		meaning, text := meaningOf(answer.Trouble), textOf(answer.Trouble)
		s.log.LogAttrs(ctx, slog.LevelWarn, "refresh failed", append(slices.Clone(attributes), slog.String(logkey.From, string(answer.From)),
			slog.String(logkey.Code, meaning.code.String()), slog.String(logkey.Reason, meaning.reason), slog.String(logkey.Error, text))...)
		s.notify(events.Event{Pod: story.identity, Warning: true, Reason: reasonFailed, Message: consequence(answer) + ": " + text})
	}
}

// consequence is what a failed refresh means for the files.
func consequence(a session.Answer) string {
	switch {
	case a.From == session.Removed:
		return "the files of secrets that Vault refuses were removed"
	case isDecided(a.Trouble):
		return "secrets that Vault refuses stay in the volume as they were until the pod ends"
	default:
		return "the volume's secrets stay as they were until they can be read again"
	}
}
