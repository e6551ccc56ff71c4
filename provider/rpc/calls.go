package rpc

import (
	"context"
	"errors"
	"sync"
)

// errStopping is why a mount ends whose provider was told to stop.
var errStopping = errors.New("the provider is being stopped, and the kubelet tries again with the next one")

// calls are the mounts on their way.
type calls struct {
	stopped context.Context // ends when mounts must
	stop    context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool // no new ones
	running sync.WaitGroup
}

func newCalls() *calls {
	c := &calls{}
	c.stopped, c.stop = context.WithCancelCause(context.Background())
	return c
}

// begin takes a mount in, unless the server is being stopped; it is running until it is Done.
func (c *calls) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errStopping
	}
	c.running.Add(1)
	return nil
}

// drain takes no more mounts in. What it returns is closed when those on their way have ended.
func (c *calls) drain() <-chan struct{} {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.running.Wait()
	}()
	return ended
}
