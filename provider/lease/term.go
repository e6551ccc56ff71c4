package lease

import (
	"math/rand/v2"
	"time"
)

// term is how long something lasts, and what is to be done about it. The zero value lasts for ever.
type term struct {
	life    time.Duration // as it was given at first, and is asked for at each renewal
	ends    time.Time
	renew   time.Time // zero: there is nothing to renew, or not any more
	replace time.Time // from when on it is to be replaced; zero while renewals go on
}

// renewable is a term of life from now on that renewals prolong.
func renewable(life time.Duration, now time.Time) term {
	return term{life: life, ends: now.Add(life), renew: now.Add(twoThirds(life))}
}

// fixed is a term that ends as it is.
func fixed(ends, now time.Time) term {
	life := max(ends.Sub(now), 0)
	return term{life: life, ends: ends, replace: now.Add(twoThirds(life))}
}

// twoThirds of a life, or up to a tenth of that less, so that what was made together does not stay in step.
func twoThirds(life time.Duration) time.Duration {
	return time.Duration(float64(life) * 2 / 3 * (1 - rand.Float64()/10)) //nolint:gosec // jitter needs no secrecy
}

func (t term) isOver(now time.Time) bool {
	return reached(t.replace, now) || reached(t.ends, now)
}

func (t term) isDue(now time.Time) bool { return reached(t.renew, now) }

// reached reports whether it is when, or later, by one of a machine's two clocks: the one on the wall jumps when somebody sets it, the
// other one stands still while the machine sleeps, and Vault's goes on. A zero when is never.
func reached(when, now time.Time) bool {
	return !when.IsZero() && (!now.Before(when) || !now.Round(0).Before(when.Round(0)))
}

// prolonged is t after a renewal has brought lasts from now on. A renewal that brings less than was asked for is the last one: the
// longest life is near, and what is left of it is for the change.
func (t term) prolonged(lasts time.Duration, again bool, now time.Time) term {
	t.ends = now.Add(lasts)
	if !again || lasts < t.life*9/10 {
		t.renew, t.replace = time.Time{}, now
		return t
	}
	t.renew = now.Add(twoThirds(lasts))
	return t
}

// postponed is t after a renewal that may go better the next time.
func (t term) postponed(now time.Time) term {
	const least = 5 * time.Second
	t.renew = now.Add(max(t.ends.Sub(now)/6, least))
	return t
}

// ended is t after a renewal that will not go better.
func (t term) ended(now time.Time) term {
	t.renew, t.replace = time.Time{}, now
	return t
}
