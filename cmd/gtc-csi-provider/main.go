// Command gtc-csi-provider is the Greentic provider of the Secrets Store CSI driver: one on every node, on the driver's socket folder.
//
// It takes from its environment nothing but its flags: which Vaults there are is in the configuration's file, and who a pod is in the
// pod's own token. "gtc-csi-provider link" is the chart's container beside it, see RunLink.
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
	run, args := Run, os.Args[1:]
	if len(args) > 0 && args[0] == linkCommand {
		run, args = RunLink, args[1:]
	}
	err := run(ctx, args, os.Stdout, os.Stderr)
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
