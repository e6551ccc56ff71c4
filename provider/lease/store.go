package lease

import (
	"context"
	"sync"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// MaxHeld is how many leases and certificates one pod may have of one connection.
const MaxHeld = 32

const (
	lookEvery   = time.Second      // how late a renewal may be
	renewalTime = 20 * time.Second // what the renewals of one pod may take
	returnTime  = 2 * time.Second  // what giving something back may take
	atOnce      = 8                // pods whose renewals are on their way
)

// Vault is what is asked of a connection.
type Vault interface {
	fetch.Issuer
	RenewLease(ctx context.Context, token vault.Token, lease string, lasts time.Duration) (vault.Renewed, error)
	RevokeLease(ctx context.Context, token vault.Token, lease string) error
	RenewSelf(ctx context.Context, token vault.Token) (vault.Renewed, error)
	Revoke(ctx context.Context, token vault.Token) error
}

// Holder is whose they are: a pod, on a connection.
type Holder struct {
	Pod        badge.Pod
	Connection string
}

// Loan is how a holder's wishes are met.
type Loan struct {
	Holder  Holder
	Vault   Vault
	Breaker *vault.Breaker // of the connection
	Silence time.Duration  // after which a pod that is not heard of has nothing renewed any more
	// Since is when the token was made that the pod shows: a pod whose token is older than the Store was there before it. Zero is not told.
	Since time.Time
}

// What happens.
const (
	First    What = "first"    // made for a pod that has come
	Restart  What = "restart"  // made again, because the provider was started again
	Replaced What = "replaced" // made because what was there ends
	Renewed  What = "renewed"  // a lease or a token
	Failed   What = "failed"   // a renewal, which is tried again
	Lost     What = "lost"     // a renewal, for good: what it was for is replaced when the pod asks
	Silent   What = "silent"   // the pod is not heard of: nothing is renewed any more
	Returned What = "returned" // given back, because the mount failed
	Revoked  What = "revoked"  // a lease, with its token, because the pod has ended
	Left     What = "left"     // a lease of a pod that has ended, which Vault would not revoke: it ends by its age
)

// What is a kind of Event.
type What string

// Everything lists the kinds of Event.
func Everything() []What {
	return []What{First, Restart, Replaced, Renewed, Failed, Lost, Silent, Returned, Revoked, Left}
}

// Event is something that happened.
type Event struct {
	What   What
	Holder Holder
	Path   string // the raw path; "" is the token
	Err    error  // of Failed, Lost and Left
}

// Store holds what was made for the pods of a node. It is safe for concurrent use.
type Store struct {
	observe func(Event)
	began   time.Time

	ctx   context.Context //nolint:containedctx // of the renewals, which belong to no caller
	stop  context.CancelFunc
	tasks sync.WaitGroup
	slots chan struct{}

	mu   sync.Mutex
	pods map[Holder]*pod
	last uint64 // serial of what was made last
}

// New makes a Store and starts its renewals, which Close ends. observe is told of what happens; it must not ask the Store anything.
func New(observe func(Event)) *Store {
	s := &Store{observe: observe, began: time.Now(), slots: make(chan struct{}, atOnce), pods: map[Holder]*pod{}, last: 1}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.tasks.Go(s.look)
	return s
}

// Close ends the renewals, waits for them, and wipes the memory. Nothing is revoked: the pods go on, and whoever serves them next makes
// them new ones. Nothing may be asked for any more.
func (s *Store) Close() {
	s.stop()
	s.tasks.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pods {
		s.forget(p)
	}
}

// Stamp tells what is held of wishes apart from what was or will be: it changes whenever one of them is replaced. 0 says that one is
// missing that must be there, or has to be replaced.
func (s *Store) Stamp(of Holder, wishes []fetch.Wish) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, newest, p := time.Now(), uint64(1), s.pods[of]
	for _, wish := range wishes {
		if !wish.Granted.Path().IsHeld() {
			continue
		}
		h := p.of(wish.Granted)
		switch {
		case h == nil && !wish.Optional, h != nil && h.isDue(now):
			return 0
		case h != nil:
			newest = max(newest, h.serial) // each serial is greater than all before it
		}
	}
	return newest
}

// Hear notes that the pod is there and still wants what it was granted.
func (s *Store) Hear(of Holder, wishes []fetch.Wish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods[of].hear(wishes, time.Now())
}

// Owns reports whether leases hang on the token, or will as soon as Obtain ends. Whoever logged in for it does not give it back then.
func (s *Store) Owns(of Holder, token vault.Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pods[of]
	switch {
	case p == nil:
		return false
	case p.token.Equal(token):
		return true
	case p.lent.Equal(token):
		p.left = true // to Obtain, to give it back if nothing comes to hang on it
		return true
	default:
		return false
	}
}

// pod is what is held for one pod. What is in it changes with Store.mu held, and but for heard only by whoever is at it.
type pod struct {
	Loan
	busy chan struct{} // has room for whoever is at it: one at a time
	held map[badge.Granted]*held

	token vault.Token // on which the leases hang; zero where none does
	term  term        // the token's
	lent  vault.Token // a caller's, while it asks with it
	left  bool        // the caller has left lent to us
}

// held is one credential or certificate.
type held struct {
	granted badge.Granted
	issued  fetch.Issued
	serial  uint64
	made    time.Time
	heard   time.Time
	term    term
	hangs   bool // on the token of the caller that it was made for
}

func (h *held) isDue(now time.Time) bool { return h.term.isOver(now) }

// of is what p, which may be nil, holds of g; nil if nothing.
func (p *pod) of(g badge.Granted) *held {
	if p == nil {
		return nil
	}
	return p.held[g]
}

func (p *pod) hear(wishes []fetch.Wish, now time.Time) {
	for _, wish := range wishes {
		if h := p.of(wish.Granted); h != nil {
			h.heard = now
		}
	}
}

// enter is held until leave by whoever asks Vault for the pod.
func (p *pod) enter(ctx context.Context) error {
	select {
	case p.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pod) leave() { <-p.busy }

// pod is the holder's. s.mu is held.
func (s *Store) pod(l Loan) *pod {
	p := s.pods[l.Holder]
	if p == nil {
		p = &pod{Loan: l, busy: make(chan struct{}, 1), held: map[badge.Granted]*held{}}
		s.pods[l.Holder] = p
	}
	return p
}

// drop forgets one thing. s.mu is held.
func (p *pod) drop(h *held) {
	h.issued.Data.Wipe()
	delete(p.held, h.granted)
}

// forget forgets a pod. s.mu is held.
func (s *Store) forget(p *pod) {
	for _, h := range p.held {
		p.drop(h)
	}
	p.token.Wipe()
	delete(s.pods, p.Holder)
}

func (s *Store) tell(what What, p *pod, path string, err error) {
	s.observe(Event{What: what, Holder: p.Holder, Path: path, Err: err})
}
