package soak_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	vaultapi "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// What a soak is like where the environment's SOAK and SEED do not say it: short, with a fault of every lane.
const (
	usualLength = 12 * time.Second
	usualSeed   = 209
)

// soak is one run, and what it has seen.
type soak struct {
	*lab.Lab
	t        *testing.T
	programs string // their folder
	root     *vaultapi.Client
	kubelet  *lab.Kubelet
	front    *front
	// The provider mortal is ended by faults; steady lives through the whole soak, so that it would show what it has lost.
	mortal, steady *provider
	began          time.Time
	mark           lab.Mark
	abort          context.CancelFunc // ends all at the first failure
	pods           atomic.Int64

	mu       sync.Mutex // guards what follows
	failures []string
	counts   map[string]int
	troubles int       // faults that are not mended
	calm     time.Time // since when there are none
	worst    time.Duration
	darkest  time.Duration // the longest for which a leased credential did not work
	canaries canary.Set
	known    map[string]bool // that are in canaries
	spoken   []string        // errors, metrics
}

// TestSoak keeps pods mounted through a plan of faults: SOAK says for how long, SEED after which plan.
func TestSoak(t *testing.T) {
	length, seed := usualLength, uint64(usualSeed)
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err, "SOAK")
	}
	if text := os.Getenv("SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "SEED")
	}
	plan := planOf(seed, length)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to try it again: SOAK=%s SEED=%d make soak; its plan:", length, seed)
			for _, step := range plan {
				t.Log(step)
			}
		}
	})
	s := newSoak(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.abort = cancel
	fleet := s.board(ctx, t)
	start := s.sizeOf(t, fleet)
	s.say("seed %d: %d faults in %s, %d pods and visitors; the provider has %d goroutines and %d MB", seed, len(plan), length, len(fleet.residents), start.goroutines, start.megabytes)

	s.began = time.Now()
	s.suffer(ctx, plan)
	_ = wait(ctx, time.Until(s.began.Add(length)))
	recovery := s.settle(ctx, t, fleet)
	end := s.sizeAgain(t, start)
	fleet.end()
	for _, p := range []*provider{s.mortal, s.steady} {
		require.NoError(t, p.terminate(t.Context()))
	}
	if length >= time.Minute { // credentials of pods that are gone end by their age
		s.require(t, s.until(t.Context(), "the last credential's end", func(context.Context) error {
			if users := fleet.database.Users(t, "v-%"); users != "0" { //nolint:contextcheck // it has the test's
				return fmt.Errorf("there are %s users of Vault's", users)
			}
			return nil
		}))
	}
	s.races(t)
	s.foreign(t)
	s.leaks(t)
	s.report(t, seed, length, recovery, start, end)
}

// settle gives every secret a new value after the last fault, and says how long it takes until each resident's volume shows all of them.
func (s *soak) settle(ctx context.Context, t *testing.T, f *fleet) time.Duration {
	t.Helper()
	f.leave() // visitors
	began := time.Now()
	for _, r := range f.secrets {
		s.require(t, s.until(ctx, "the last value of "+r.ref.String(), r.rotate))
	}
	for _, p := range f.residents {
		s.require(t, s.until(ctx, "after the last fault", func(context.Context) error { return p.current() }))
	}
	for _, p := range f.tenants {
		s.require(t, s.until(ctx, "after the last fault", p.lit))
	}
	return time.Since(began)
}

// require ends the test at once if something has failed, with all that has.
func (s *soak) require(t *testing.T, err error) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && len(s.failures) == 0 {
		s.failures = append(s.failures, err.Error())
	}
	require.Empty(t, s.failures)
}

// sizeOf is what steady needs when all residents have their volumes.
func (s *soak) sizeOf(t *testing.T, f *fleet) size {
	t.Helper()
	for _, p := range f.residents {
		s.require(t, s.until(t.Context(), "before the first fault", func(context.Context) error { return p.complete() }))
	}
	for _, p := range f.tenants {
		s.require(t, s.until(t.Context(), "before the first fault", p.lit))
	}
	z, err := s.steady.size(t.Context())
	require.NoError(t, err)
	return z
}

// More than at the start by less than this is no loss: connections differ by what was last asked, and memory by when the collector last ran.
const (
	spareGoroutines = 30
	spareMegabytes  = 100
)

// sizeAgain waits until steady needs no more than at the start.
func (s *soak) sizeAgain(t *testing.T, start size) size {
	t.Helper()
	var z size
	s.require(t, s.until(t.Context(), "the provider's size", func(ctx context.Context) (err error) {
		if z, err = s.steady.size(ctx); err == nil && (z.goroutines > start.goroutines+spareGoroutines || z.megabytes > start.megabytes+spareMegabytes) {
			err = fmt.Errorf("it has %d goroutines and %d MB, and had %d and %d", z.goroutines, z.megabytes, start.goroutines, start.megabytes)
		}
		return err
	}))
	return z
}

// report is one line for whoever reads no more.
func (s *soak) report(t *testing.T, seed uint64, length, recovery time.Duration, start, end size) {
	t.Helper()
	s.require(t, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for what, n := range s.counts {
		words = append(words, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(words)
	t.Logf("soak of %s, seed %d: %s; behind by at most %s without a fault, a credential dark for at most %s, all current %s after the last one; goroutines %d to %d, MB %d to %d",
		length, seed, strings.Join(words, ", "), s.worst.Round(time.Millisecond), s.darkest.Round(time.Millisecond), recovery.Round(time.Millisecond),
		start.goroutines, end.goroutines, start.megabytes, end.megabytes)
}

func (s *soak) say(format string, args ...any) {
	at := time.Duration(0)
	if !s.began.IsZero() {
		at = time.Since(s.began).Round(time.Millisecond)
	}
	s.t.Logf("%9s  "+format, append([]any{at}, args...)...)
}

// fail notes a failure and ends the soak.
func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	s.say("FAILED: %s", text)
	s.t.Fail()
	s.failures = append(s.failures, text)
	s.abort()
}

// failUnlessOver notes an error that is not just the soak's end.
func (s *soak) failUnlessOver(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.fail("%v", err)
	}
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// trouble counts the faults that there are now.
func (s *soak) trouble(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubles += more; s.troubles == 0 {
		s.calm = time.Now()
	}
}

// late notes that a volume is behind a value that Vault has since then.
func (s *soak) late(p *pod, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubles > 0 {
		return
	}
	if s.calm.After(since) {
		since = s.calm
	}
	if behind := time.Since(since); behind > s.worst {
		s.worst = behind
		if behind > 10*time.Second {
			s.say("%s is behind by %s", p.name, behind.Round(time.Second))
		}
	}
}

// canary adds secrets to what is looked for at the end.
func (s *soak) canary(name string, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range secrets {
		if s.known[text] {
			continue
		}
		s.known[text] = true
		if err := s.canaries.Add(name, text); err != nil {
			s.t.Errorf("canary: %v", err)
		}
	}
}

// heard keeps a text that somebody may read.
func (s *soak) heard(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoken = append(s.spoken, text)
}
