// Command cluster brings a kind cluster up to look around in (up), ends one that was kept (down), or compiles and builds ahead of time all that one
// needs (build).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/kind"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: cluster [-name NAME] up|down|build")

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	name := flags.String("name", kind.DefaultName, "the cluster's name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := kind.Options{Name: *name, Progress: os.Stderr}
	switch {
	case flags.NArg() != 1:
		return errUsage
	case flags.Arg(0) == "up":
		return up(ctx, options)
	case flags.Arg(0) == "down":
		return down(ctx, options)
	case flags.Arg(0) == "build":
		return kind.Build(ctx, options)
	default:
		return errUsage
	}
}

// up leaves a cluster.
func up(ctx context.Context, options kind.Options) error {
	options.Keep = true
	begin := time.Now()
	cluster, err := kind.Up(ctx, options)
	if err != nil {
		return err
	}
	fmt.Printf("ready after %s\n", time.Since(begin).Round(time.Second))
	return cluster.Down(context.WithoutCancel(ctx))
}

func down(ctx context.Context, options kind.Options) error {
	cluster, err := kind.Attach(ctx, options)
	if err != nil {
		return err
	}
	return cluster.Down(context.WithoutCancel(ctx))
}
