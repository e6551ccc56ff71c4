// Command worker stands in for a Greentic worker in tests and in the demo. It reads its secrets, from one kind of place, and says what
// it got without saying the secrets: for each one a line "NAME sha256=<digest> bytes=<size>", sorted by name.
//
//	worker [-serve ADDRESS] [-watch] [-reload] variables NAME...
//	worker [-serve ADDRESS] [-watch] [-reload] dev-store [URI...]
//	worker [-serve ADDRESS] [-watch] [-reload] files FOLDER PATH...
//
// The dev-store is the one that GREENTIC_DEV_SECRETS_PATH names, read as Greentic's own reader reads it; without URIs all of it is told.
// Files are read from one generation of a Secrets Store CSI volume. Without a flag the worker ends when it has told; with one it runs
// until SIGTERM or SIGINT: -serve answers every GET with the lines as they are then, -watch reads again every 100 ms and tells every line
// that changed. ADDRESS is a loopback address with a port; ":PORT" alone listens where GREENTIC_GATEWAY_LISTEN_ADDR says, as in a pod.
// With -reload it reads at its start and on SIGHUP, and tells in between what it knows.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := Run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// Run is the command, with args as described above.
func Run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	address := flags.String("serve", "", "answer over HTTP on this address")
	watching := flags.Bool("watch", false, "tell every change")
	reloading := flags.Bool("reload", false, "read at the start and on SIGHUP only")
	if err := flags.Parse(args); err != nil {
		return err
	}
	source, err := parseSource(flags.Args())
	if err != nil {
		return err
	}
	if *reloading {
		var stop func()
		source, stop = onHangup(source)
		defer stop()
	}
	told, err := tell(source, nil, stdout)
	if err != nil {
		return err
	}
	tasks := make([]func(context.Context) error, 0, 2)
	if *address != "" {
		tasks = append(tasks, func(ctx context.Context) error { return serve(ctx, *address, source, stdout) })
	}
	if *watching {
		tasks = append(tasks, func(ctx context.Context) error { return watch(ctx, source, told, stdout) })
	}
	return runAll(ctx, tasks)
}

// runAll runs the tasks until each has ended; the first failure ends the others.
func runAll(ctx context.Context, tasks []func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan error)
	for _, task := range tasks {
		go func() { results <- task(ctx) }()
	}
	var first error
	for range tasks {
		if err := <-results; err != nil && first == nil {
			first = err
			cancel(err)
		}
	}
	return first
}
