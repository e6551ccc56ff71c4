package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// The bounds of a Store's memory unless Options say otherwise. A node has at most some hundred pods.
const (
	DefaultMaxSessions = 4096
	DefaultMaxBytes    = 8 << 20
)

const (
	sweepEvery  = 5 * time.Second  // how late a silent session's end may be
	longestRead = 50 * time.Second // what a shared read may take
	grace       = 100 * time.Millisecond
	refreshTime = 10 * time.Second // what a refresh may take where there is a last answer to fall back on
	probeWait   = 5 * time.Second  // how long a first mount waits for a Vault that is being spared
)

// Options are a Store's bounds and what it asks of others.
type Options struct {
	// MaxSessions and MaxBytes (of answers) bound the memory: what was heard of least recently goes first. 0 is the default.
	MaxSessions, MaxBytes int
	// Decided reports whether an error is Vault's word on this pod, which ends what is remembered, and no mishap, which the last answer
	// bridges. It must not be nil.
	Decided func(error) bool
	// Random draws from [0, 1) for what is spread, one call at a time. nil is math/rand/v2's; a simulation that must be repeatable has its own.
	Random func() float64
}

// Store holds the sessions of a node. It is safe for concurrent use.
type Store struct {
	options Options
	now     func() time.Time // time.Now, but for tests of clocks that jump

	digesters sync.Pool // of *digester

	ctx   context.Context // until Close
	stop  context.CancelFunc
	tasks sync.WaitGroup

	mu       sync.Mutex
	began    time.Time // what is remembered: a Forget begins anew
	phases   float64   // the last group's
	sessions map[volume]*session
	calls    map[Call]*session
	groups   map[share]*group
	bytes    int // of answers
}

// New makes a Store and starts its housekeeping, which Close ends.
func New(o Options) *Store {
	if o.MaxSessions == 0 {
		o.MaxSessions = DefaultMaxSessions
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Random == nil {
		o.Random = mathrand.Float64
	}
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program where there is no randomness
	s := &Store{options: o, began: time.Now(), now: time.Now, phases: o.Random(), sessions: map[volume]*session{},
		calls: map[Call]*session{}, groups: map[share]*group{}}
	s.digesters.New = func() any { return &digester{mac: hmac.New(sha256.New, key)} }
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.tasks.Go(s.sweep)
	return s
}

// Close ends all that is on its way, waits for it, and wipes the memory. No Answer may be asked for any more.
func (s *Store) Close() {
	s.stop()
	s.tasks.Wait()
	s.Forget()
}

// Forget ends every session. Whoever asks next is a first mount, as after a start.
func (s *Store) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
	for _, known := range s.sessions {
		s.end(known)
	}
}

// End ends the sessions of a pod that has ended, and returns how many there were.
func (s *Store) End(uid string) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.sessions {
		if known.pod.UID == uid {
			s.end(known)
			ended++
		}
	}
	return ended
}

// sweep ends sessions whose pods have fallen silent: no call tells that a pod is gone.
func (s *Store) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			s.endSilent(now)
		}
	}
}

func (s *Store) endSilent(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.sessions {
		if now.Sub(known.heard) > known.silence {
			s.end(known)
		}
	}
}

// bound ends what was heard of least recently until the memory is within its bounds. s.mu is held.
func (s *Store) bound() {
	for len(s.sessions) > s.options.MaxSessions || s.bytes > s.options.MaxBytes && len(s.sessions) > 1 {
		var oldest *session
		for _, known := range s.sessions {
			if oldest == nil || known.heard.Before(oldest.heard) {
				oldest = known
			}
		}
		s.end(oldest)
	}
}

// end forgets a session. s.mu is held.
func (s *Store) end(known *session) {
	s.release(known)
	known.token.Wipe()
	delete(s.sessions, known.volume)
	delete(s.calls, known.call)
	s.unref(known.group)
}

// digest tells tokens apart.
func (s *Store) digest(proof secret.Value) [sha256.Size]byte {
	d := s.digester()
	defer s.digesters.Put(d)
	_, _ = d.mac.Write(proof.Reveal())
	return d.sum()
}
