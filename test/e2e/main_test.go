//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// harness is what the suites share. They are played one after the other, see order_test.go.
var harness struct {
	stage    *stage.Stage
	report   *report
	canaries canaries
	leaving  []string // namespaces that are deleted and may not be gone
	build    string   // the folder build of the checkout
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// teardown is how long taking the cluster down may take. It is kept back from go test's own timeout, which would end the process as it stands.
const teardown = 2 * time.Minute

func run(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok && limit > teardown {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit-teardown, fmt.Errorf("the time of go test -timeout %s is over", limit))
		defer cancel()
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	harness.build = filepath.Join(root, "build")
	harness.report = &report{began: time.Now()}
	up, err := stage.Up(ctx, stage.Options{
		Name: "gtc-e2e", Root: root, Dir: filepath.Join(harness.build, "e2e", "stage"), Artifacts: filepath.Join(harness.build, "e2e", "start"),
		Progress: os.Stdout, Keep: os.Getenv("KEEP") == "1",
	})
	var once sync.Once
	end := func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardown)
			defer cancel()
			err = errors.Join(err, up.Down(ctx))
		})
	}
	defer end()
	if err != nil {
		return 1, errors.Join(err, collect(ctx, up, "start"))
	}
	harness.stage = up
	if err := sweep(ctx, up); err != nil {
		return 1, errors.Join(err, collect(ctx, up, "start"))
	}
	harness.report.ready()

	// Whoever interrupts the suites gets the cluster taken down all the same: m.Run does not come back for that.
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-finished:
		case <-ctx.Done():
			fmt.Fprintln(os.Stderr, "e2e:", context.Cause(ctx))
			end()
			os.Exit(1)
		}
	}()
	code = m.Run()
	return code, errors.Join(gone(ctx, up), harness.report.write(os.Stdout, filepath.Join(harness.build, "e2e.json")))
}

// sweep takes away what the suites of an earlier run have left in a cluster that was left up: the roles of its pods are forgotten, and so a node's
// restart or a killed driver meanwhile would have them wait for ever.
func sweep(ctx context.Context, up *stage.Stage) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := &story{Stage: up}
	left, err := s.left(ctx, suitePrefix)
	if err != nil {
		return err
	}
	if err := errors.Join(s.deleteNamespaces(ctx, left...), s.awaitGone(ctx, left...)); err != nil {
		return fmt.Errorf("the cluster that was left up is of no use: the namespaces %q of an earlier run do not end: "+
			"take it down (in the folder test: go run ./kind/cmd/cluster -name %s down) and run again: %w", left, up.Name, err)
	}
	return nil
}

// gone says what does not end of all that the suites have deleted.
func gone(ctx context.Context, up *stage.Stage) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := (&story{Stage: up}).awaitGone(ctx, harness.leaving...); err != nil {
		return errors.Join(fmt.Errorf("what the suites have deleted does not end: %w", err), collect(ctx, up, "end"))
	}
	return nil
}

// collect keeps logs, events and descriptions of everything for whoever looks for a failure's cause.
func collect(ctx context.Context, s *stage.Stage, name string) error {
	if s == nil || s.Cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardown)
	defer cancel()
	dir := filepath.Join(harness.build, "e2e", name)
	fmt.Fprintln(os.Stderr, "e2e: logs, events and descriptions are kept in", dir)
	return s.Cluster.Collect(ctx, dir)
}
