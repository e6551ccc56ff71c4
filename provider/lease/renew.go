package lease

import (
	"context"
	"errors"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// look renews what is due and forgets what nobody wants any more.
func (s *Store) look() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			s.lookAt(now)
		}
	}
}

func (s *Store) lookAt(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pods {
		select {
		case p.busy <- struct{}{}:
		default:
			continue // whoever is at it renews or makes just now; the next look finds the rest
		}
		s.endSilent(p, now)
		if !p.isDue(now) {
			p.leave()
			continue
		}
		s.tasks.Go(func() {
			defer p.leave()
			s.renew(p)
		})
	}
}

// endSilent forgets what the pod was not heard to want for too long. s.mu is held.
func (s *Store) endSilent(p *pod, now time.Time) {
	for _, h := range p.held {
		if now.Sub(h.heard) > p.Silence {
			s.tell(Silent, p, h.granted.Path().Request().Path(), nil)
			p.drop(h)
		}
	}
	if len(p.held) == 0 {
		s.forget(p)
	}
}

// isDue reports whether something of p is to be renewed. Store.mu is held.
func (p *pod) isDue(now time.Time) bool {
	due := !p.token.IsZero() && p.term.isDue(now)
	for _, h := range p.held {
		due = due || h.term.isDue(now)
	}
	return due
}

// renew renews what is due of p, which nobody else is at: the token first, because the leases end with it.
func (s *Store) renew(p *pod) {
	ctx, cancel := context.WithTimeout(s.ctx, renewalTime)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return
	}
	now := time.Now()
	s.mu.Lock()
	token, tokenDue := p.token.Copy(), p.term.isDue(now)
	var due []*held
	for _, h := range p.held {
		if h.term.isDue(now) {
			due = append(due, h)
		}
	}
	s.mu.Unlock()
	defer token.Wipe()
	if tokenDue {
		got, err := ask(ctx, p, func() (vault.Renewed, error) { return p.Vault.RenewSelf(ctx, token) })
		s.renewedToken(p, got, err)
		if isDecided(err) {
			return
		}
	}
	for _, h := range due {
		got, err := ask(ctx, p, func() (vault.Renewed, error) {
			return p.Vault.RenewLease(ctx, token, h.issued.Lease, h.term.life)
		})
		s.renewedLease(p, h, got, err)
	}
}

// ask asks Vault unless it is being spared.
func ask(ctx context.Context, p *pod, question func() (vault.Renewed, error)) (got vault.Renewed, err error) {
	leave, err := p.Breaker.Enter(ctx, 0)
	if err != nil {
		return vault.Renewed{}, err
	}
	defer func() { leave(err) }()
	return question()
}

// isDecided reports whether a renewal's failure is Vault's word on it, and no mishap.
func isDecided(err error) bool {
	return errors.Is(err, vault.ErrPolicy) || errors.Is(err, vault.ErrLease) || errors.Is(err, vault.ErrBatch)
}

func (s *Store) renewedToken(p *pod, got vault.Renewed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		p.term = p.term.prolonged(got.Lasts, got.Renewable, now)
		s.tell(Renewed, p, "", nil)
	case isDecided(err) || !now.Before(p.term.ends):
		p.token.Wipe()
		p.term = p.term.ended(now)
		s.tell(Lost, p, "", err)
	default:
		p.term = p.term.postponed(now)
		s.tell(Failed, p, "", err)
		return
	}
	if !p.term.isOver(now) {
		return
	}
	for _, h := range p.held { // the leases end with their token
		if h.issued.Lease != "" {
			h.term = h.term.ended(now)
		}
	}
}

func (s *Store) renewedLease(p *pod, h *held, got vault.Renewed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, path := time.Now(), h.granted.Path().Request().Path()
	switch {
	case h.term.renew.IsZero(): // its token has ended meanwhile
	case err == nil:
		h.term = h.term.prolonged(got.Lasts, got.Renewable, now)
		s.tell(Renewed, p, path, nil)
	case isDecided(err) || !now.Before(h.term.ends):
		h.term = h.term.ended(now)
		s.tell(Lost, p, path, err)
	default:
		h.term = h.term.postponed(now)
		s.tell(Failed, p, path, err)
	}
}
