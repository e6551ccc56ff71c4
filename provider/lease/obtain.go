package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// making is one Obtain.
type making struct {
	*Store
	pod   *pod
	fresh vault.Token // the caller's
	made  map[badge.Granted]*held
	hangs bool // a lease hangs on fresh
}

// Obtain gives use what is held of wishes, in their order and zero where badge.Path.IsHeld does not hold, and has made what is not held yet,
// with token where no earlier one serves. Where that or use fails, what was made is given back. All faults are reported at once, each with
// the field path of its object.
func (s *Store) Obtain(ctx context.Context, l Loan, token vault.Token, wishes []fetch.Wish, use func([]fetch.Found) error) error {
	m, err := s.begin(ctx, l, token)
	if err != nil {
		return err
	}
	found, err := m.all(ctx, wishes)
	if err == nil {
		err = use(found)
	}
	if err == nil {
		m.keep(wishes)
	} else {
		m.undo(ctx)
	}
	m.end(ctx)
	return err
}

// begin waits until nobody else asks Vault for the pod.
func (s *Store) begin(ctx context.Context, l Loan, token vault.Token) (*making, error) {
	for {
		s.mu.Lock()
		p := s.pod(l)
		s.mu.Unlock()
		if err := p.enter(ctx); err != nil {
			return nil, fmt.Errorf("waiting for the pod's other requests: %w: %w", vault.ErrUnavailable, err)
		}
		s.mu.Lock()
		current := s.pods[l.Holder] == p
		if current {
			p.Loan, p.lent, p.left = l, token, false // the ways of the configuration in force
		}
		s.mu.Unlock()
		if current {
			return &making{Store: s, pod: p, fresh: token, made: map[badge.Granted]*held{}}, nil
		}
		p.leave() // it was forgotten meanwhile
	}
}

// all is what is held of wishes, made where it is not.
func (m *making) all(ctx context.Context, wishes []fetch.Wish) ([]fetch.Found, error) {
	found := make([]fetch.Found, len(wishes))
	failed := map[badge.Granted]error{}
	var faults []error
	for i, wish := range wishes {
		path := wish.Granted.Path()
		if !path.IsHeld() {
			continue
		}
		err, known := failed[wish.Granted]
		var h *held
		if !known {
			h, err = m.one(ctx, wish.Granted)
			if err != nil {
				failed[wish.Granted] = err
			}
		}
		switch {
		case err == nil:
			found[i] = fetch.Found{Path: path, Issued: h.issued}
		case !wish.Excuses(err):
			faults = append(faults, fmt.Errorf("objects[%d]: %w", i, err))
		}
	}
	return found, errors.Join(faults...)
}

func (m *making) one(ctx context.Context, g badge.Granted) (*held, error) {
	if h := m.made[g]; h != nil {
		return h, nil
	}
	m.mu.Lock()
	h, full := m.pod.held[g], len(m.pod.held)+len(m.made) >= MaxHeld
	due := h == nil || h.isDue(time.Now())
	m.mu.Unlock()
	switch {
	case !due:
		return h, nil
	case h == nil && full:
		return nil, fmt.Errorf("%q: %w: a pod has at most %d leases and certificates", g.Path().Request(), fetch.ErrTooMuch, MaxHeld)
	}
	issued, hangs, err := m.issue(ctx, g)
	if err != nil {
		return nil, err
	}
	m.hangs = m.hangs || hangs
	now := time.Now()
	made := &held{granted: g, issued: issued, made: now, hangs: hangs, term: fixed(issued.Ends, now)}
	if issued.Lease != "" {
		made.term = fixed(now.Add(issued.Lasts), now)
		if issued.Renewable {
			made.term = renewable(issued.Lasts, now)
		}
	}
	m.made[g] = made
	return made, nil
}

// issue asks with the token on which the pod's leases hang, as long as there is one that lasts; else with the caller's, on which then
// hangs what is leased.
func (m *making) issue(ctx context.Context, g badge.Granted) (issued fetch.Issued, hangs bool, err error) {
	if g.Path().Kind() != badge.KindLease {
		issued, err = fetch.Issue(ctx, m.pod.Vault, m.fresh, g)
		return issued, false, err
	}
	m.mu.Lock()
	token := m.pod.token.Copy()
	serves := !m.hangs && !token.IsZero() && !m.pod.term.isOver(time.Now())
	m.mu.Unlock()
	defer token.Wipe()
	if serves {
		issued, err := fetch.Issue(ctx, m.pod.Vault, token, g)
		if !errors.Is(err, vault.ErrPolicy) {
			return issued, false, err
		}
		// It may be the token that has ended and not the right: the caller's decides.
	}
	issued, err = fetch.Issue(ctx, m.pod.Vault, m.fresh, g)
	return issued, err == nil, err
}

// keep makes what was made the pod's, and the caller's token if leases hang on it.
func (m *making) keep(wishes []fetch.Wish) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, p := time.Now(), m.pod
	if m.hangs {
		m.adopt(now)
	}
	for g, h := range m.made {
		what := First
		switch old := p.held[g]; {
		case old != nil:
			what = Replaced
			p.drop(old)
		case m.wasThere(p.Since):
			what = Restart
		}
		m.hold(h)
		m.tell(what, p, g.Path().Request().Path(), nil)
	}
	p.hear(wishes, now)
}

// wasThere reports whether a pod whose token was made at since was there before the Store. Tokens tell whole seconds.
func (s *Store) wasThere(since time.Time) bool {
	return !since.IsZero() && since.Before(s.began.Truncate(time.Second))
}

// hold notes what was made. m.mu is held.
func (m *making) hold(h *held) {
	m.last++
	h.serial, h.heard = m.last, time.Now()
	m.pod.held[h.granted] = h
}

// adopt makes the caller's token the one on which the pod's leases hang. What hung on the one before ends with it. m.mu is held.
func (m *making) adopt(now time.Time) {
	p := m.pod
	for _, h := range p.held {
		if h.issued.Lease != "" {
			h.term = h.term.ended(now)
		}
	}
	for _, h := range m.made {
		if h.issued.Lease != "" && !h.hangs { // made with the one before, a moment before it ended
			h.term = h.term.ended(now)
		}
	}
	p.token.Wipe()
	p.token, p.term = m.fresh.Copy(), term{}
	if life := m.fresh.Lasts(); life > 0 {
		p.term = renewable(life, now)
	}
}

// undo gives back what was made. What hangs on the caller's token ends with that; a certificate is nobody else's and serves the next try.
func (m *making) undo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTime)
	defer cancel()
	for g, h := range m.made {
		if h.issued.Lease == "" {
			m.mu.Lock()
			if old := m.pod.held[g]; old != nil {
				m.pod.drop(old)
			}
			m.hold(h)
			m.mu.Unlock()
			continue
		}
		if !h.hangs {
			_ = m.pod.Vault.RevokeLease(ctx, m.pod.token, h.issued.Lease) // refused by most roles: then it ends by its age
		}
		m.tell(Returned, m.pod, g.Path().Request().Path(), nil)
		h.issued.Data.Wipe()
	}
	m.hangs = false
}

// end gives back the caller's token if the caller has left that to us and nothing hangs on it.
func (m *making) end(ctx context.Context) {
	m.mu.Lock()
	p := m.pod
	idle := p.left && !p.token.Equal(m.fresh)
	p.lent, p.left = vault.Token{}, false
	if len(p.held) == 0 {
		m.forget(p)
	}
	m.mu.Unlock()
	if idle {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTime)
		defer cancel()
		_ = p.Vault.Revoke(ctx, m.fresh)
	}
	p.leave()
}
