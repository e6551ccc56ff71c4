package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// flight is a read on its way for all of a group who wait for it.
type flight struct {
	began   time.Time
	until   time.Time // who began it has no more time
	waiting int
	cancel  context.CancelFunc // when nobody waits any more
	done    chan struct{}      // closed when what follows is there
	err     error
	panic   any // raised again where somebody waits: in the flight's own goroutine it would end the process
}

// notBefore is when the read must have begun whose answer the volume may have: for a refresh within the budget that lacks nothing, else
// after the mount itself began. What is older may be older than the pod, which then would miss a rotation that came before it. A pod that
// is older than all that is remembered would not: whatever it has now is no younger.
func (t *turn) notBefore() time.Time {
	known := t.session()
	switch {
	case known == nil && t.isOlder():
		return t.store.began
	case known.answer() != nil && known.own == nil && t.holds(known.answer()):
		return t.began.Add(-known.answer().due)
	default:
		return t.began
	}
}

// share is an answer that is young enough, of a read of its own or of another's.
func (t *turn) share(ctx context.Context) (bytes secret.Value, turned bool, err error) {
	t.store.mu.Lock()
	notBefore := t.notBefore()
	t.from = Shared
	for {
		// t.store.mu is held here.
		if latest := t.group.latest; latest != nil && age(latest.began, t.began) <= t.began.Sub(notBefore) {
			bytes, turned = latest.copied(), t.adopt()
			t.store.mu.Unlock()
			return bytes, turned, nil
		}
		f, led := t.group.flight, false
		if f == nil {
			f, led, t.from = t.launch(ctx), true, Read
		}
		if err := t.await(ctx, f); err != nil {
			t.store.mu.Unlock()
			return secret.Value{}, false, err
		}
		switch {
		case f.err == nil || !led && (f.began.Before(notBefore) || f.tooShort(ctx)):
			// What it brought is the group's; or it came from before our time, or had less time than we have.
		case !led && personal(f.err):
			t.store.mu.Unlock()
			return t.alone(ctx)
		default:
			t.store.mu.Unlock()
			return secret.Value{}, false, f.err
		}
	}
}

// await waits for f's end, or ctx's. The store's mu is held before and after, and not meanwhile.
func (t *turn) await(ctx context.Context, f *flight) error {
	f.waiting++
	t.store.mu.Unlock()
	var err error
	select {
	case <-f.done:
	case <-ctx.Done():
		err = fmt.Errorf("reading: %w: the time for the mount ended before it answered: %w", vault.ErrUnavailable, ctx.Err())
	}
	t.store.mu.Lock()
	f.waiting--
	if f.waiting == 0 {
		f.cancel()
	}
	if err == nil && f.panic != nil {
		t.store.mu.Unlock()
		panic(f.panic)
	}
	return err
}

// tooShort reports whether the flight failed for want of time that ctx still has.
func (f *flight) tooShort(ctx context.Context) bool {
	return errors.Is(f.err, vault.ErrUnavailable) && f.until.Before(readUntil(ctx).Add(-time.Second))
}

// readUntil is when a read for ctx ends: a little before ctx does, so that there is time to tell why it failed.
func readUntil(ctx context.Context) time.Time {
	until := time.Now().Add(longestRead)
	if deadline, bounded := ctx.Deadline(); bounded && deadline.Before(until) {
		until = deadline.Add(-grace)
	}
	return until
}

// launch begins a flight with this volume's token. It does not end with ctx, but has no more time than that. The store's mu is held.
func (t *turn) launch(ctx context.Context) *flight {
	s, until := t.store, readUntil(ctx)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	detach := context.AfterFunc(s.ctx, cancel) //nolint:contextcheck // the Store's own: Close ends every read
	f := &flight{began: s.now(), until: until, cancel: cancel, done: make(chan struct{})}
	g := s.ref(t.group.share)
	g.flight = f
	s.tasks.Go(func() {
		defer cancel()
		defer detach()
		bytes, panicked, err := t.guarded(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		f.err, f.panic = err, panicked
		g.flight = nil
		if f.waiting > 0 && err == nil && panicked == nil {
			s.put(g, t.made(bytes, f.began))
		} else {
			bytes.Wipe()
		}
		close(f.done)
		s.unref(g)
	})
	return f
}

func (t *turn) guarded(ctx context.Context) (bytes secret.Value, panicked any, err error) {
	defer func() { panicked = recover() }()
	bytes, err = t.read(ctx)
	return bytes, nil, err
}

// read reads with the volume's token. Where that is of an earlier login and Vault refuses it, it may be the token that has ended and
// not the right: a new one decides. The same where Vault says that a token has ended, of whichever login: it was revoked meanwhile.
func (t *turn) read(ctx context.Context) (secret.Value, error) {
	bytes, err := t.Vault.Read(ctx, t.token, false)
	if !refused(err) || !t.reused && !errors.Is(err, vault.ErrEnded) {
		return bytes, err
	}
	login, err := t.Vault.Login(ctx)
	if err != nil {
		return secret.Value{}, &again{err}
	}
	defer t.giveBack(ctx, login.Token)
	return t.Vault.Read(ctx, login.Token, false)
}

// again is a failed login of whose token was refused.
type again struct{ error }

// Unwrap is why it failed.
func (a *again) Unwrap() error { return a.error }

// refused reports whether Vault did not let this token read.
func refused(err error) bool { return errors.Is(err, vault.ErrPolicy) }

// personal reports whether an error is about whose token it was, and says nothing to others who wait for the same.
func personal(err error) bool { return refused(err) || errors.As(err, new(*again)) }

// alone is a read that nobody shares: another pod of the group was refused, which does not decide for this one.
func (t *turn) alone(ctx context.Context) (bytes secret.Value, turned bool, err error) {
	t.from = Read
	began := t.store.now()
	if bytes, err = t.read(ctx); err != nil {
		return secret.Value{}, false, err
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if latest := t.group.latest; latest == nil || latest.began.Before(began) {
		t.store.put(t.group, t.made(bytes, began))
	} else {
		bytes.Wipe()
	}
	return t.group.latest.copied(), t.adopt(), nil
}

// adopt makes the group's answer the volume's, and a session of the volume if there is none. The store's mu is held.
func (t *turn) adopt() (turned bool) {
	s := t.store
	known := t.session()
	if known == nil {
		known = &session{volume: volume{pod: t.Pod, request: t.Request}, group: s.ref(t.group.share)}
		s.sessions[known.volume] = known
	}
	t.remember(known)
	s.hold(known)
	turned = known.calm()
	s.bound()
	return turned
}
