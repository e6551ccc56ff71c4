package session

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// turn is a Visit on its way.
type turn struct {
	Visit
	store  *Store
	began  time.Time
	digest [sha256.Size]byte
	group  *group

	from   From
	login  vault.Login
	token  vault.Token
	reused bool // the token is of an earlier login
	proven bool // Vault was shown this very token of the pod
	known  bool // there is a last answer
}

// Answer answers a visit. Where it fails, Answer.Trouble and Turned are told nevertheless.
func (s *Store) Answer(ctx context.Context, v Visit) (Answer, error) {
	t := s.begin(v)
	defer t.end()
	if young, turned := t.young(); !young.IsEmpty() {
		return Answer{Bytes: young, From: Memory, Turned: turned}, nil
	}
	bytes, turned, err := t.ask(ctx)
	if err != nil {
		return t.instead(ctx, err)
	}
	return Answer{Bytes: bytes, From: t.from, Login: t.login.RequestID, Turned: turned}, nil
}

func (s *Store) begin(v Visit) *turn {
	t := &turn{Visit: v, store: s, began: s.now(), digest: s.digest(v.Proof)}
	s.mu.Lock()
	defer s.mu.Unlock()
	by := share{badge: v.Pod.Badge(), request: v.Request}
	if v.Made != nil {
		by.pod = v.Pod
	}
	t.group = s.ref(by)
	if known := t.session(); known != nil {
		t.known = known.answer() != nil
		t.proven = known.proof == t.digest
	}
	return t
}

func (t *turn) end() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.store.unref(t.group)
}

// session is nil if there is none. The store's mu is held.
func (t *turn) session() *session { return t.store.sessions[volume{pod: t.Pod, request: t.Request}] }

// young is a copy of the answer, if Vault was shown this token and the answer is young enough.
func (t *turn) young() (bytes secret.Value, turned bool) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	known := t.session()
	if a := known.answer(); a == nil || !t.proven || !t.holds(a) {
		return secret.Value{}, false
	}
	if bytes, turned = known.young(t.store.now()); !bytes.IsEmpty() {
		t.hear(known)
		t.store.called(known, t.Visit)
	}
	return bytes, turned
}

// young is the same of a session whose token Vault was shown.
func (known *session) young(now time.Time) (bytes secret.Value, turned bool) {
	a := known.answer()
	if a == nil || age(a.began, now) >= a.due {
		return secret.Value{}, false
	}
	known.heard = now
	return a.copied(), known.own == nil && known.calm() // what lacks something is no good end
}

// stamp is what was made for the pod, as of now.
func (t *turn) stamp() uint64 {
	if t.Made == nil {
		return 0
	}
	return t.Made.Stamp()
}

// holds reports whether a holds what was made for the pod, and nothing of it has to be replaced.
func (t *turn) holds(a *answer) bool {
	return t.Made == nil || a.stamp != 0 && a.stamp == t.stamp()
}

// hear notes that the pod is there. The store's mu is held.
func (t *turn) hear(known *session) {
	known.heard = t.store.now()
	if t.Made != nil {
		t.Made.Hear()
	}
}

// ask goes to Vault.
func (t *turn) ask(ctx context.Context) (bytes secret.Value, turned bool, err error) {
	patience := probeWait
	if t.known {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, refreshTime)
		defer cancel()
		patience = 0
	}
	leave, err := t.Breaker.Enter(ctx, patience)
	if err != nil {
		return secret.Value{}, false, err
	}
	defer func() { leave(err) }()
	if err := t.prove(ctx); err != nil {
		return secret.Value{}, false, err
	}
	defer t.giveBack(ctx, t.token)
	if young, turned := t.young(); !young.IsEmpty() {
		t.from = Memory
		return young, turned, nil
	}
	return t.share(ctx)
}

// prove shows Vault the pod's token, unless it was shown this one and what it gave for it can be used again.
func (t *turn) prove(ctx context.Context) error {
	if t.reuse() {
		return nil
	}
	var err error
	if t.login, err = t.Vault.Login(ctx); err != nil {
		return err
	}
	t.token, t.proven = t.login.Token, true
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if known := t.session(); known != nil {
		t.remember(known)
	}
	return nil
}

func (t *turn) reuse() bool {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	known := t.session()
	if known == nil || !t.proven || !time.Now().Before(known.until) {
		return false
	}
	t.token, t.reused = known.token.Copy(), true
	return true
}

// remember notes what was proven, and the token if it may be used again. One that Vault keeps may not: it is given back at once, so
// that nothing of it is left when this process ends. The store's mu is held.
func (t *turn) remember(known *session) {
	known.proof = t.digest
	t.hear(known)
	known.scope, known.connection, known.objects, known.silence = t.Scope, t.Connection, t.Objects, t.Policy.Silence
	t.store.called(known, t.Visit)
	if t.reused || t.token.IsKept() {
		return
	}
	known.token.Wipe()
	// Not to its very end, and not all that began together equally long.
	life := 0.5 + 0.4*t.store.options.Random()
	known.token, known.until = t.token.Copy(), t.began.Add(time.Duration(float64(t.login.Lasts)*life))
}

func (t *turn) giveBack(ctx context.Context, token vault.Token) {
	if token.IsKept() {
		t.Vault.Logout(ctx, token)
	}
}

// calm notes that the volume is answered as it should be, and reports whether it was not before.
func (known *session) calm() (turned bool) {
	turned = !known.troubled.IsZero()
	known.troubled, known.bridged = time.Time{}, false
	return turned
}

// instead is what a visit is answered with that Vault did not help: the last answer, what is left of it, or the error.
func (t *turn) instead(ctx context.Context, err error) (Answer, error) {
	decided := t.store.options.Decided(err)
	a, known := t.last(err, decided)
	switch {
	case !known:
		return Answer{Login: t.login.RequestID}, err
	case !a.Bytes.IsEmpty():
		a.From = Stale
		return a, nil
	case decided && t.Policy.RemoveRefused:
		if bytes, removed := t.withoutRefused(ctx); removed {
			a.Bytes, a.From = bytes, Removed
			return a, nil
		}
	}
	return a, err
}

// last notes the trouble. A volume whose token Vault has not seen, or that is not known, has no part in the memory.
func (t *turn) last(err error, decided bool) (a Answer, known bool) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	s := t.session()
	if s == nil || !t.proven {
		return Answer{}, false
	}
	t.hear(s)
	a = Answer{Login: t.login.RequestID, Trouble: err, Turned: s.troubled.IsZero()}
	if a.Turned {
		s.troubled = time.Now()
	}
	kept := s.answer()
	switch {
	case decided:
		t.store.release(s)
	case kept != nil && age(kept.began, t.store.now()) <= t.Policy.MaxStale:
		a.Bytes, s.bridged = kept.copied(), true
	default:
		a.Spent, s.bridged = s.bridged, false
	}
	return a, true
}

// withoutRefused reads what is left. It is this volume's alone: what one pod is refused another may have.
func (t *turn) withoutRefused(ctx context.Context) (secret.Value, bool) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	began := t.store.now()
	login, err := t.Vault.Login(ctx)
	if err != nil {
		return secret.Value{}, false
	}
	defer t.giveBack(ctx, login.Token)
	bytes, err := t.Vault.Read(ctx, login.Token, true)
	if err != nil {
		return secret.Value{}, false
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	known := t.session()
	if known == nil {
		return bytes, true
	}
	t.store.release(known)
	known.own = t.made(bytes, began)
	t.store.bytes += bytes.Len()
	left := known.own.copied()
	t.store.bound()
	return left, true
}
