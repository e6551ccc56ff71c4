//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that mean something to a program that somebody else looks after. Not among them: what cannot be caught,
// what a program does to itself (faults, SIGPIPE, timers), what stops a terminal's background job, and SIGURG, which Go's own
// scheduler sends. The real-time signals (below) begin after those that C libraries keep for themselves: 32 and 33, and musl's 34.
var passedOn = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP,
	unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
}

const firstRealTime, lastRealTime = unix.Signal(35), unix.Signal(64)

// ending are the signals that end a program which has not begun its work.
var ending = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// SignalError is the error of work that a signal cut short.
type SignalError struct{ Signal unix.Signal }

// Error names the signal.
func (e SignalError) Error() string {
	return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
}

// Signals receives what the pod's runtime and the kernel tell this process. Only Listen makes one.
type Signals struct {
	toChild  chan os.Signal // for the program; kept while it has not started
	children chan os.Signal // SIGCHLD: some child changed; one pending is as good as many
}

// Listen begins to receive, for the rest of the process's life. A process that is PID 1 ignores every signal that it does not listen to,
// so this comes first. A signal that was already ignored stays so, for the program too.
func Listen() *Signals {
	s := &Signals{toChild: make(chan os.Signal, 64), children: make(chan os.Signal, 1)}
	all := slices.Clone(passedOn)
	for sig := firstRealTime; sig <= lastRealTime; sig++ {
		all = append(all, sig)
	}
	all = slices.DeleteFunc(all, signal.Ignored)
	signal.Notify(s.toChild, all...)
	signal.Notify(s.children, unix.SIGCHLD)
	return s
}

// Until is a context that ends, with SignalError as its cause, when a signal comes that ends a program; other signals are dropped, since
// there is nobody yet to tell. After done, signals are kept for the program.
func (s *Signals) Until(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-s.toChild:
				if slices.Contains(ending, sig) {
					cancel(SignalError{Signal: sig.(unix.Signal)})
				}
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// Send sends sig to the program as if it had come from outside. The error is the cause of ctx's end.
func (s *Signals) Send(ctx context.Context, sig unix.Signal) error {
	select {
	case s.toChild <- sig:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
