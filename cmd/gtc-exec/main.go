//go:build linux

// Command gtc-exec stands before a worker in its pod: it waits until the pod's volume holds the worker's secrets, hands them over as
// variables or as a dev-store, and starts the worker.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	code, err := Run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprint(os.Stderr, report(err))
	}
	os.Exit(code)
}
