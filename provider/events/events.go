// Package events tells a pod's owner, in the pod's own events, what the driver hides: that a refresh fails, and that it works again.
//
// It is two plain REST calls, POST for a new event and PATCH for one that is told again, and needs no right but `events: create, patch`.
// A repeated event is counted up and not added; what is told is rate-limited for the node. Nothing waits for it: a mount's answer does
// not depend on whether the API server hears of it.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
)

// Event is what is told.
type Event struct {
	Pod     badge.Pod
	Warning bool   // or else all is well
	Reason  string // a word in CamelCase
	Message string // at most 1,024 bytes of it are told
}

// The bounds.
const (
	queued     = 256             // events that wait
	perSecond  = 5               // calls of the API server
	burst      = 10              // of them at once
	remembered = time.Hour       // how long an event that is told again is counted up
	sendTime   = 5 * time.Second // one call
	longest    = 1024            // bytes of a message, as Kubernetes has it
	component  = "gtc-csi-provider"
)

// Sender sends events. It is safe for concurrent use.
type Sender struct {
	api    api
	log    *slog.Logger
	queue  chan Event
	limit  *rate.Limiter
	series map[series]*told // only Run's
}

// series identifies events that are the same again.
type series struct {
	pod    badge.Pod
	reason string
}

// told is an event that the API server has.
type told struct {
	name  string
	count int
	first time.Time
	last  time.Time
}

func newSender(a api, log *slog.Logger) *Sender {
	return &Sender{
		api: a, log: log, queue: make(chan Event, queued), limit: rate.NewLimiter(perSecond, burst), series: map[series]*told{},
	}
}

// Tell queues e. Where too many wait it is dropped, with a log line: events help people, and hold up nothing.
func (s *Sender) Tell(e Event) {
	select {
	case s.queue <- e:
	default:
		s.log.Warn("event dropped: too many wait", logkey.Pod, e.Pod.Namespace+"/"+e.Pod.Name, logkey.Reason, e.Reason)
	}
}

// Run sends what is told until ctx ends. It returns nil.
func (s *Sender) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-s.queue:
			if s.limit.Wait(ctx) != nil {
				return nil //nolint:nilerr // ctx has ended
			}
			s.report(ctx, e, s.send(ctx, e))
		}
	}
}

// report logs what was not sent, unless ctx has ended.
func (s *Sender) report(ctx context.Context, e Event, err error) {
	pod := e.Pod.Namespace + "/" + e.Pod.Name
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, errEnding):
		s.log.Debug("event not sent, its namespace is being deleted", logkey.Pod, pod, logkey.Reason, e.Reason)
	default:
		s.log.Warn("event not sent", logkey.Pod, pod, logkey.Reason, e.Reason, logkey.Error, err.Error())
	}
}

// send adds an event, or counts up the one that tells the same already.
func (s *Sender) send(ctx context.Context, e Event) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	now := time.Now()
	for key, old := range s.series {
		if now.Sub(old.last) > remembered {
			delete(s.series, key)
		}
	}
	key := series{e.Pod, e.Reason}
	if before, known := s.series[key]; known {
		again := *before
		again.count, again.last = again.count+1, now
		gone, err := s.api.patch(ctx, e, again)
		if err != nil {
			return fmt.Errorf("counting up an event: %w", err)
		}
		if !gone {
			s.series[key] = &again
			return nil
		}
	}
	first := told{name: e.name(now), count: 1, first: now, last: now}
	if err := s.api.create(ctx, e, first); err != nil {
		return fmt.Errorf("adding an event: %w", err)
	}
	s.series[key] = &first
	return nil
}

// name is the event's own, as Kubernetes' components make them.
func (e Event) name(now time.Time) string {
	return fmt.Sprintf("%.200s.%x", e.Pod.Name, now.UnixNano())
}

func (e Event) text() string {
	if len(e.Message) > longest {
		return e.Message[:longest-len("…")] + "…"
	}
	return e.Message
}
