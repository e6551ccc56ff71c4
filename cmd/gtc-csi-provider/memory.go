package main

import (
	"context"
	"runtime/debug"
	"time"
)

// How small the process is kept.
const (
	// About 2 MiB live besides what is remembered of volumes, some 7 MiB are the runtime's own, and what a mount needs, 70 to 100 KiB, is waste when
	// it ends. 110 pods at once fit into this with a few collections.
	// Where they need more, memory is collected more often and nothing fails; without it, what one burst left behind would stay on the node.
	memory = 20 << 20
	// To collect waste half as often as by default spares a tenth of a mount's time.
	percent = 200
	// How late the bound follows what is remembered. While it lags, the collector works the harder.
	memoryEvery = time.Second
)

// boundMemory sets the runtime's soft bound to what a burst of mounts needs and, above it, what remembers says, in bytes, until ctx ends. Without
// the second part many volumes would leave a burst no room, and the collector would take a mount's time.
func boundMemory(ctx context.Context, remembers func() int) {
	debug.SetGCPercent(percent)
	ticker := time.NewTicker(memoryEvery)
	defer ticker.Stop()
	for {
		debug.SetMemoryLimit(int64(memory + remembers()))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
