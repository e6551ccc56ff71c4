package rpc

import (
	"context"
	"sync"
	"time"
)

// waiting is a call's context with bounds: a deadline, and the server's end. Most calls are answered from memory and wait for nothing: so what
// the bounds take, a timer among it, is made when somebody first waits for the context's end, or asks whether it came.
type waiting struct {
	context.Context // the call's own

	deadline time.Time
	stopped  context.Context // ends when calls must, with the cause

	mu    sync.Mutex
	bound context.Context // nil until it is made
	end   func()          // likewise
}

// bound is ctx within the bounds. release must be called when the call has ended; nothing is made after it.
func (c *calls) bound(ctx context.Context, deadline time.Time) (_ context.Context, release func()) {
	w := &waiting{Context: ctx, deadline: deadline, stopped: c.stopped}
	return w, w.release
}

func (w *waiting) made() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bound == nil {
		timed, cancel := context.WithDeadline(w.Context, w.deadline)
		bound, stop := context.WithCancelCause(timed)
		forget := context.AfterFunc(w.stopped, func() { stop(context.Cause(w.stopped)) })
		w.bound, w.end = bound, func() {
			forget()
			stop(nil)
			cancel()
		}
	}
	return w.bound
}

func (w *waiting) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bound == nil {
		w.bound, w.end = w.Context, func() {}
	}
	w.end()
}

// Deadline is the earlier one of the call's own and the bound.
func (w *waiting) Deadline() (deadline time.Time, ok bool) {
	if own, ok := w.Context.Deadline(); ok && own.Before(w.deadline) {
		return own, true
	}
	return w.deadline, true
}

// Done is closed when the call is over, or out of its bounds.
func (w *waiting) Done() <-chan struct{} { return w.made().Done() }

// Err is why Done is closed.
func (w *waiting) Err() error { return w.made().Err() }

// Value is the call's own, and what package context keeps of the bounds once they are made.
func (w *waiting) Value(key any) any {
	w.mu.Lock()
	ctx := w.bound
	w.mu.Unlock()
	if ctx == nil {
		ctx = w.Context
	}
	return ctx.Value(key)
}
