package lease

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

const (
	revokeTime  = 5 * time.Second // one try
	revokeLeast = time.Second     // between tries, doubling
	revokeMost  = 30 * time.Second
)

// End is for a pod that is known to have ended: what is held for it is forgotten, and the token on which its leases hang is revoked at
// Vault, which ends them. It does not wait for Vault, which is asked again until the token would have ended by itself. It returns for how
// many connections something was held. A mount of the pod that is on its way is waited for; what one makes later is found by silence.
func (s *Store) End(uid string) (found int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for holder, p := range s.pods {
		if holder.Pod.UID == uid && s.ctx.Err() == nil {
			found++
			s.tasks.Go(func() { s.revoke(p) })
		}
	}
	return found
}

func (s *Store) revoke(p *pod) {
	if p.enter(s.ctx) != nil {
		return // Close revokes nothing
	}
	token, ends, paths := s.take(p)
	p.leave()
	defer token.Wipe()
	if token.IsZero() {
		return
	}
	what, err := Revoked, s.revokeToken(p, token, ends)
	if s.ctx.Err() != nil && err != nil {
		return
	}
	if err != nil {
		what = Left
	}
	for _, path := range paths {
		s.tell(what, p, path, err)
	}
}

// take forgets what is held for p and returns what is to be revoked: the token, when it ends by itself, and the leases' paths.
func (s *Store) take(p *pod) (token vault.Token, ends time.Time, paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods[p.Holder] != p {
		return vault.Token{}, time.Time{}, nil // forgotten meanwhile
	}
	if !p.token.IsZero() {
		token, ends = p.token.Copy(), p.term.ends
	}
	for _, h := range p.held {
		if h.issued.Lease != "" {
			paths = append(paths, h.granted.Path().Request().Path())
		}
	}
	s.forget(p)
	return token, ends, paths
}

// revokeToken asks until Vault has decided, or the token has ended by itself.
func (s *Store) revokeToken(p *pod, token vault.Token, ends time.Time) error {
	for pause := revokeLeast; ; pause = min(2*pause, revokeMost) {
		err := s.revokeOnce(p, token)
		if err == nil || isDecided(err) || !time.Now().Add(pause).Before(ends) {
			return err
		}
		select {
		case <-s.ctx.Done():
			return err
		case <-time.After(time.Duration(float64(pause) * (0.5 + rand.Float64()/2))): //nolint:gosec // jitter needs no secrecy
		}
	}
}

func (s *Store) revokeOnce(p *pod, token vault.Token) (err error) {
	ctx, cancel := context.WithTimeout(s.ctx, revokeTime)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	leave, err := p.Breaker.Enter(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { leave(err) }()
	return p.Vault.Revoke(ctx, token)
}
