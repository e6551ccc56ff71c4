package main

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// The bound follows what is remembered, both ways.
func TestBoundMemory(t *testing.T) {
	limit, collect := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(collect)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var held atomic.Int64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			boundMemory(ctx, func() int { return int(held.Load()) })
		}()
		for _, remembered := range []int64{0, 12 << 20, 1 << 20} {
			held.Store(remembered)
			time.Sleep(memoryEvery)
			synctest.Wait()
			assert.Equal(t, memory+remembered, debug.SetMemoryLimit(-1))
		}
		stop()
		<-ended
	})
}
