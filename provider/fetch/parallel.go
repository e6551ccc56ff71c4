package fetch

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// budget counts down from MaxRead. The zero value is unspent.
type budget struct{ spent atomic.Int64 }

func (b *budget) spend(n int) bool { return b.spent.Add(int64(n)) <= MaxRead }

// atOnce calls do for each item at the same time and returns when all have ended. A panic in one of them is raised again here, where
// the server recovers it: in a goroutine of its own it would end the process, and with it every other pod's mount.
func atOnce[T any](items []T, do func(T)) {
	if len(items) == 0 {
		return
	}
	var wg sync.WaitGroup
	var first atomic.Pointer[panicked]
	guarded := func(item T) {
		defer func() {
			if cause := recover(); cause != nil {
				first.CompareAndSwap(nil, &panicked{kind: fmt.Sprintf("%T", cause), stack: debug.Stack()})
			}
		}()
		do(item)
	}
	for _, item := range items[1:] {
		wg.Go(func() { guarded(item) })
	}
	guarded(items[0]) // this goroutine has nothing else to do, and its stack has grown already
	wg.Wait()
	if p := first.Load(); p != nil {
		panic(p)
	}
}

// panicked stands for a panic in a goroutine: its type and stack, and not its value, which may hold what nobody should read.
type panicked struct {
	kind  string
	stack []byte
}

// Stack is where it happened.
func (p *panicked) Stack() []byte { return p.stack }

// Error is the type of what was raised, never its value.
func (p *panicked) Error() string { return "panic: " + p.kind }
