package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type key struct{}

// bounds are a call's own context, the server's, and the call within both.
func bounds(t *testing.T, most time.Duration) (own, stop context.CancelCauseFunc, within context.Context, release func()) {
	t.Helper()
	call, own := context.WithCancelCause(context.WithValue(context.Background(), key{}, "value"))
	c := newCalls()
	within, release = c.bound(call, time.Now().Add(most))
	t.Cleanup(func() {
		release()
		own(nil)
		c.stop(nil)
	})
	return own, c.stop, within, release
}

func TestWhatEndsAWait(t *testing.T) {
	mishap := errors.New("mishap")
	for name, row := range map[string]struct {
		most  time.Duration
		end   func(own, stop context.CancelCauseFunc, release func())
		err   error
		cause error
	}{
		"the call":     {time.Hour, func(own, _ context.CancelCauseFunc, _ func()) { own(mishap) }, context.Canceled, mishap},
		"the server":   {time.Hour, func(_, stop context.CancelCauseFunc, _ func()) { stop(errStopping) }, context.Canceled, errStopping},
		"the deadline": {time.Millisecond, func(_, _ context.CancelCauseFunc, _ func()) {}, context.DeadlineExceeded, context.DeadlineExceeded},
		"its release":  {time.Hour, func(_, _ context.CancelCauseFunc, release func()) { release() }, context.Canceled, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			own, stop, w, release := bounds(t, row.most)
			child, cancel := context.WithCancel(w)
			defer cancel()
			row.end(own, stop, release)
			for _, ctx := range []context.Context{w, child} {
				select {
				case <-ctx.Done():
				case <-time.After(30 * time.Second):
					require.Fail(t, "it goes on")
				}
				require.ErrorIs(t, ctx.Err(), row.err)
				require.ErrorIs(t, context.Cause(ctx), row.cause)
			}
		})
		t.Run(name+" before anybody waits", func(t *testing.T) {
			own, stop, w, release := bounds(t, row.most)
			if row.end(own, stop, release); name == "its release" {
				return // nobody waits after it
			}
			select {
			case <-w.Done():
			case <-time.After(30 * time.Second):
				require.Fail(t, "it goes on")
			}
			assert.ErrorIs(t, context.Cause(w), row.cause)
		})
	}
}

func TestNothingIsMadeForWhoDoesNotWait(t *testing.T) {
	_, _, w, release := bounds(t, time.Hour)
	assert.Equal(t, "value", w.Value(key{}))
	deadline, bounded := w.Deadline()
	assert.True(t, bounded)
	assert.WithinDuration(t, time.Now().Add(time.Hour), deadline, time.Minute)
	made, _ := w.(*waiting)
	assert.Nil(t, made.bound)
	release()
	assert.NoError(t, w.Err(), "and nothing is made after it")
	assert.Equal(t, "value", w.Value(key{}))
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	call, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	w, release := newCalls().bound(call, time.Now().Add(2*time.Hour))
	defer release()
	want, _ := call.Deadline()
	got, _ := w.Deadline()
	assert.Equal(t, want, got)
}
