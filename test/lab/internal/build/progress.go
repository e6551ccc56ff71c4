package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// beat is how often a person who waits hears that something still goes on.
const beat = 20 * time.Second

func (c Cache) say(format string, args ...any) {
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, format+"\n", args...)
	}
}

// report says what is being built, then every beat how long it has taken, and what became of it once the returned function is called.
func (c Cache) report(s Server, version string) (stop func(error)) {
	c.say("building %s %s (about %s the first time, cached after)", s.Name, version, s.Cold)
	begin, done := time.Now(), make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				c.say("building %s … %s", s.Name, time.Since(begin).Round(time.Second))
			}
		}
	})
	return func(err error) {
		close(done)
		beating.Wait()
		if err == nil {
			c.say("built %s in %s", s.Name, time.Since(begin).Round(time.Second))
		}
	}
}

// lock waits until no other process builds into this cache.
func (c Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache folder (GTC_LAB_CACHE names another): %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache folder (GTC_LAB_CACHE names another): %w", err)
	}
	waiting := c.Progress
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // closing lets the lock go
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking the cache folder: %w", err), file.Close())
		}
		if waiting != nil {
			fmt.Fprintf(waiting, "waiting for another process that builds into the same cache, before building %s\n", name)
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting to build %s: %w", name, context.Cause(ctx)), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
