package vault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Breaker spares a Vault that does not answer: after some failures in a row it is asked only now and then, by one caller at a time,
// until it has answered again. It counts conversations (a login and reads, each with its own retries), not requests. The zero value is
// ready. It is safe for concurrent use.
type Breaker struct {
	mu       sync.Mutex
	failures int           // in a row
	until    time.Time     // nobody asks before
	pause    time.Duration // after the last failed probe
	probing  bool          // one caller finds out how Vault is
	changed  chan struct{} // closed at the next change, for who waits; nil if nobody does
}

// How the breaker goes about it.
const (
	breakAfter   = 3 // failures in a row
	firstPause   = time.Second
	longestBreak = 30 * time.Second
)

// Enter asks whether Vault may be asked now; whoever is let in calls leave once with how it went. While Vault is spared, Enter waits up
// to patience for the next probe: to be the one that makes it, or for its good end. Without patience it says at once that Vault is not
// available.
func (b *Breaker) Enter(ctx context.Context, patience time.Duration) (leave func(error), err error) {
	enter := b.enter(time.Now())
	if enter.allowed {
		return b.leaver(enter.probe), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		timer := time.NewTimer(enter.wait)
		select {
		case <-timer.C:
		case <-enter.changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: the last %d attempts failed, and it is asked only now and then until it answers; "+
				"check that Vault runs, is unsealed and can be reached from the node", ErrUnavailable, enter.failures)
		}
		if enter = b.enter(time.Now()); enter.allowed {
			return b.leaver(enter.probe), nil
		}
	}
}

func (b *Breaker) leaver(probe bool) func(error) { return func(err error) { b.leave(err, probe) } }

// entry is what a caller is told: go on, as a probe or not, or what to wait for.
type entry struct {
	allowed, probe bool
	wait           time.Duration
	changed        <-chan struct{}
	failures       int
}

func (b *Breaker) enter(now time.Time) entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakAfter {
		return entry{allowed: true}
	}
	if !b.probing && !now.Before(b.until) {
		b.probing = true
		return entry{allowed: true, probe: true}
	}
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	wait := longestBreak // a probe is on its way: its end is a change
	if !b.probing {
		wait = b.until.Sub(now)
	}
	return entry{wait: wait, changed: b.changed, failures: b.failures}
}

// leave takes in how a conversation went. Only an unavailable Vault counts as a failure; a caller that gave up has found out nothing.
func (b *Breaker) leave(err error, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch {
	case errors.Is(err, context.Canceled):
	case !errors.Is(err, ErrUnavailable):
		b.failures, b.pause = 0, 0
	default:
		b.failures++
		if probe || b.failures == breakAfter {
			b.pause = min(max(2*b.pause, firstPause), longestBreak)
			b.until = time.Now().Add(b.pause/2 + rand.N(b.pause)) //nolint:gosec // jitter needs no secrecy
		}
	}
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// IsOpen reports whether Vault is spared at the moment.
func (b *Breaker) IsOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakAfter
}
