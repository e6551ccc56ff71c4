package podwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
)

// ErrNode is what no node can be called.
var ErrNode = errors.New("it is no node's name")

// Options are what a Watch needs. API, Node, Ended and Log are needed.
type Options struct {
	API  *kubeapi.Client
	Node string // the name of the node, as in a pod's spec.nodeName
	// Ended is told of each pod that has ended, one at a time, and perhaps twice. The watch waits for it.
	Ended func(Pod)
	// Up is told when the watch begins to know of every end, and when it does not any more; nil for nobody.
	Up  func(bool)
	Log *slog.Logger
	// Least and Most are how long it waits before it asks again, doubling while the watch does not last; 0 is 1 s and 30 s.
	Least, Most time.Duration
}

// Watch watches. It is used by Run alone.
type Watch struct {
	Options
	seen    map[string]Pod // on this node, and not ended
	version string         // of what was heard last; "" asks for a list
	up      bool
	told    bool // in the log, that it is not up
}

// nodeName is a DNS subdomain: what else stands in a selector would change its meaning.
var nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// New makes a Watch.
func New(o Options) (*Watch, error) {
	if !nodeName.MatchString(o.Node) {
		return nil, fmt.Errorf("%q: %w", o.Node, ErrNode)
	}
	if o.Least == 0 {
		o.Least = time.Second
	}
	if o.Most == 0 {
		o.Most = 30 * time.Second
	}
	if o.Up == nil {
		o.Up = func(bool) {}
	}
	return &Watch{Options: o, seen: map[string]Pod{}}, nil
}

// Run watches until ctx ends. It returns nil: an API server that fails is asked again.
func (w *Watch) Run(ctx context.Context) error {
	defer w.set(false)
	pause := w.Least
	for {
		began := time.Now()
		err := w.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			w.interrupted(ctx, err)
		}
		if time.Since(began) >= w.Most {
			pause = w.Least
		}
		// Not to the same moment as the other nodes': they have lost the same API server.
		jittered := time.Duration(float64(pause) * (0.5 + rand.Float64()/2)) //nolint:gosec // jitter needs no secrecy
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(jittered):
		}
		pause = min(2*pause, w.Most)
	}
}

// round lists where there is nothing to go on from, and watches.
func (w *Watch) round(ctx context.Context) error {
	if w.version == "" {
		pods, version, err := w.list(ctx)
		if err != nil {
			return err
		}
		w.replace(pods, version)
	}
	err := w.follow(ctx, w.version, func() { w.set(true) }, w.apply)
	if err != nil && !errors.Is(err, errBroken) && !errors.Is(err, kubeapi.ErrSilent) {
		w.version = "" // a connection that breaks leaves off where it was; else only a list is sure to help
	}
	return err
}

// replace compares a whole list with what was seen.
func (w *Watch) replace(pods map[string]Pod, version string) {
	before := w.seen
	w.seen, w.version = pods, version
	for uid, pod := range before {
		if _, there := pods[uid]; !there {
			w.Ended(pod)
		}
	}
}

func (w *Watch) apply(c change) {
	w.version = c.version
	switch c.kind {
	case added, modified:
		w.seen[c.pod.UID] = c.pod
	case deleted:
		if pod, seen := w.seen[c.pod.UID]; seen {
			delete(w.seen, c.pod.UID)
			w.Ended(pod)
		}
	}
}

func (w *Watch) set(up bool) {
	if up == w.up {
		return
	}
	w.up = up
	w.Up(up)
	if up {
		w.told = false
		w.Log.Info("watching the node's pods", logkey.Node, w.Node)
	}
}

// interrupted tells once, until it is up again, that no pod's end is heard of.
func (w *Watch) interrupted(ctx context.Context, err error) {
	w.set(false)
	level := slog.LevelWarn
	if w.told {
		level = slog.LevelDebug
	}
	w.told = true
	w.Log.Log(ctx, level, "pod watch interrupted, nothing is revoked until it is back", logkey.Node, w.Node, logkey.Error, err.Error())
}
