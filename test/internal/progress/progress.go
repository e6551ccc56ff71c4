// Package progress tells a person who waits what is going on, how long it may take and that it still goes on.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// beat is how often a person who waits hears that something still goes on.
const beat = 20 * time.Second

// Say writes one line to out; nil hears nothing.
func Say(out io.Writer, format string, args ...any) {
	if out != nil {
		fmt.Fprintf(out, format+"\n", args...)
	}
}

// Start says begun, then now and then "doing … 40s", and once the returned function is called without an error "done in 1m2s".
func Start(out io.Writer, begun, doing, done string) (stop func(error)) {
	Say(out, "%s", begun)
	begin, ended := time.Now(), make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				Say(out, "%s … %s", doing, time.Since(begin).Round(time.Second))
			}
		}
	})
	return func(err error) {
		close(ended)
		beating.Wait()
		if err == nil {
			Say(out, "%s in %s", done, time.Since(begin).Round(time.Second))
		}
	}
}
