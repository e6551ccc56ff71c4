package session

import (
	"math"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Parts of an interval.
const (
	period   = 1.1 // between two moments of a group: how old an answer may be
	soonest  = 0.1 // from a read to the next, at least
	newest   = 0.9 // the same of a new pod's first answer
	jittered = 0.2 // and how much longer, at most
)

// golden is the fraction of a period between the moments of two groups that follow each other.
const golden = math.Phi - 1

// clockSkew is how far the API server's clock, by which tokens are issued, may be from this node's.
const clockSkew = time.Minute

// phase is a new group's. Multiples of the golden ratio divide a period about evenly, however many there are; where they begin is each
// Store's own, so that nodes that start together are not in step. s.mu is held.
func (s *Store) phase() float64 {
	s.phases = fraction(s.phases + golden)
	return s.phases
}

// made is an answer of a read for the volume. s.mu is held.
func (t *turn) made(bytes secret.Value, began time.Time) *answer {
	return &answer{bytes: bytes, began: began, due: t.due(began), stamp: t.stamp()}
}

// due is the age at which what was read at a time is read again. Every 1.1 intervals each group has a moment of its own, and the first call
// after it asks Vault: so what was read together, after a start of the provider or an outage, is not read together again. Where all of a
// group are new they have the whole interval first, give or take a tenth: many pods do not live longer. s.mu is held.
func (t *turn) due(at time.Time) time.Duration {
	interval := float64(max(t.Policy.Interval, 0))
	switch {
	case interval == 0:
		return 0
	case !t.known && t.group.latest == nil && !t.isOlder():
		return time.Duration(interval * (newest + jittered*t.store.options.Random()))
	default:
		turns := float64(at.Sub(t.store.began)) / (period * interval)
		left := 1 - fraction(turns-t.group.phase)
		return time.Duration(interval * max(period*left, soonest))
	}
}

// isOlder reports whether the pod is surely older than what is remembered, which is new: what was started is the provider, or its
// configuration, and the pod has mounted before. Its token tells, which Vault is shown before anything comes of this. s.mu is held.
func (t *turn) isOlder() bool {
	return t.began.Sub(t.store.began) < t.Policy.Interval && !t.Issued.IsZero() && t.Issued.Before(t.store.began.Add(-clockSkew))
}

func fraction(f float64) float64 { return f - math.Floor(f) }
