// Command bench measures the provider beside its floor, in one run and by turns, on the lab's real Vault and API server:
//
//	floor      the requests of a mount by bare HTTP, over one pool of connections, in a mount's own order
//	provider   the real program, asked over its unix socket as the driver asks it
//	echo       a gRPC server on such a socket that only answers
//	empty      the smallest gRPC server, for the time from start to first answer
//
// It prints a table, writes JSON, and fails when a bar is missed, naming it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o Options
	flag.StringVar(&o.Programs, "programs", "", "folder of the product's programs, stripped, as make build leaves them")
	flag.StringVar(&o.JSON, "json", "", "file to write the figures to; empty for none")
	flag.IntVar(&o.Rounds, "rounds", 5, "how many rounds there are; more of them against a noisy machine")
	flag.IntVar(&o.Singles, "singles", 9, "how many pods are mounted alone in a round")
	flag.IntVar(&o.Crowds, "crowds", 3, "how many batches of pods are mounted at once in a round")
	flag.IntVar(&o.Starts, "starts", 11, "how often each server is started")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
