// Command gtc-csi-provider is the Greentic provider of the Secrets Store CSI driver: one on every node, on the driver's socket folder.
//
// It takes from its environment nothing but its flags: which Vaults there are is in the configuration's file, and who a pod is in the
// pod's own token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes: 2 is for what the operator wrote, as the other programs of this module have it.
const (
	exitFailed  = 1
	exitInvalid = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errInvalid):
		_, _ = fmt.Fprintln(os.Stderr, "gtc-csi-provider: "+err.Error())
		os.Exit(exitInvalid)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "gtc-csi-provider: "+err.Error())
		os.Exit(exitFailed)
	}
}
