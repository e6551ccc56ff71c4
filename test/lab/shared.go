package lab

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the one lab of a test program.
var shared struct {
	mu      sync.Mutex // guards what follows
	options Options
	lab     *Lab
	err     error
}

// Main runs a package's tests and ends the lab that they share, if one of them asked for it:
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.Options{})) }
//
// A panic, a Ctrl-C or a timeout of go test, which never come back here, are the reaper's.
func Main(m *testing.M, options Options) (code int) {
	shared.mu.Lock()
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	shared.options = options
	shared.mu.Unlock()
	code = m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.lab == nil {
		return code
	}
	dir, keep := shared.lab.Dir(), shared.lab.options.Keep
	if err := shared.lab.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "ending the lab:", err)
		code = max(code, 1)
	}
	if keep {
		fmt.Fprintln(os.Stderr, "the lab's state is kept in", dir)
	}
	return code
}

// Shared is the lab that all tests of a package share. The first call starts it, with the options that Main was given.
func Shared(t testing.TB) *Lab {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.lab == nil && shared.err == nil {
		shared.lab, shared.err = Start(context.Background(), shared.options)
	}
	if shared.err != nil {
		t.Fatalf("starting the lab: %v", shared.err)
	}
	return shared.lab
}
