package volume

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pause between two looks at the volume. A look costs a few system calls; 50 ms are not felt by who starts a worker.
const pause = 50 * time.Millisecond

// Wait reads the volume in folder until it holds every promised secret, for at most patience (0: one look). A volume that promises
// nothing is not looked at. What the first look lacked is told to waiting, once. The error is that of the last look, or the cause of
// ctx's end.
func Wait(ctx context.Context, folder string, promises Promises, patience time.Duration, waiting func(error)) (Snapshot, error) {
	if len(promises.list) == 0 {
		return Snapshot{}, nil
	}
	snapshot, err := Read(folder, promises)
	if !worthWaiting(err) {
		return snapshot, err
	}
	if patience > 0 {
		waiting(err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return Snapshot{}, context.Cause(ctx)
		case <-deadline.C:
			return Snapshot{}, fmt.Errorf("waiting %s for the volume: %w", patience, err)
		case <-tick.C:
		}
		snapshot, err = Read(folder, promises)
		if !worthWaiting(err) {
			return snapshot, err
		}
	}
}

func worthWaiting(err error) bool {
	return errors.Is(err, ErrMissing) && !errors.Is(err, ErrUnreadable)
}
