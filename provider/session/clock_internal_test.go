package session

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// clock is a machine's: its wall clock is by jump ahead of the one that only goes on. Package time has no other way to make such a time
// than to set the clock of the machine, so this reaches into it; TestTheClockJumps says whether that still holds.
type clock struct{ went, jump time.Duration }

func (c *clock) now() time.Time {
	now := time.Now().Add(c.went)
	seconds := int64(c.jump / time.Second)
	wall := (*uint64)(unsafe.Pointer(&now)) // bit 63: both clocks are read; then 33 bits of seconds, 30 of nanoseconds
	*wall = uint64(int64(*wall) + seconds<<30)
	return now
}

func TestTheClockJumps(t *testing.T) {
	var c clock
	before := c.now()
	for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		c.jump = jump
		after := c.now()
		assert.Less(t, after.Sub(before).Abs(), time.Minute, "the one")
		assert.InDelta(t, jump.Minutes(), after.Round(0).Sub(before.Round(0)).Minutes(), 1, "the other")
	}
}

// reader is a Vault that counts reads.
type reader struct {
	reads atomic.Int64
	err   atomic.Pointer[error]
}

func (r *reader) Login(context.Context) (vault.Login, error) {
	return vault.Login{Lasts: time.Hour}, nil
}
func (r *reader) Logout(context.Context, vault.Token) {}
func (r *reader) Read(context.Context, vault.Token, bool) (secret.Value, error) {
	if err := r.err.Load(); err != nil {
		return secret.Value{}, *err
	}
	return secret.NewString(fmt.Sprint("read ", r.reads.Add(1))), nil
}

// TestAClockThatJumps: no answer is older than it may be by either clock, and each jump costs at most one read of what replicas share.
func TestAClockThatJumps(t *testing.T) {
	s, c, r := New(Options{Decided: func(error) bool { return false }}), &clock{}, &reader{}
	s.now = c.now
	defer s.Close()
	c.went = time.Hour // no more at its start
	ask := func(pod string) (Answer, error) {
		return s.Answer(context.Background(), Visit{
			Pod: badge.Pod{Namespace: "n", Name: pod, UID: pod}, Proof: secret.NewString(pod), Vault: r, Breaker: &vault.Breaker{},
			Policy: Policy{Interval: 5 * time.Minute, MaxStale: time.Hour, Silence: 15 * time.Minute},
		})
	}
	round := func() int64 {
		before := r.reads.Load()
		for i := range 10 {
			_, err := ask(fmt.Sprint("pod-", i))
			require.NoError(t, err)
		}
		return r.reads.Load() - before
	}
	round()
	assert.Zero(t, round(), "from memory")
	for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour, 0} {
		was := c.jump
		c.jump = jump
		reads := round()
		if jump > was {
			assert.EqualValues(t, 1, reads, "two hours may have gone by: read once for all")
		} else {
			assert.Zero(t, reads, "the answer has become no older")
		}
		assert.Zero(t, round(), "and not again")
		c.went += time.Minute
		round()
		c.went += 6 * time.Minute
		assert.Positive(t, round(), "the usual refresh, though the wall clock may be behind")
	}
	err := fmt.Errorf("%w: sealed", vault.ErrUnavailable)
	r.err.Store(&err)
	c.went += 6 * time.Minute
	a, failed := ask("pod-0")
	require.NoError(t, failed)
	assert.Equal(t, Stale, a.From)
	c.jump = 4 * time.Hour
	_, failed = ask("pod-0")
	require.ErrorIs(t, failed, vault.ErrUnavailable, "too old by the wall clock")
}
