package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-csi-provider/internal/socketlink"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
)

// linkCommand is the first argument that asks for RunLink instead of Run.
const linkCommand = "link"

// RunLink is the chart's container beside the provider: as long as ctx lasts, the driver finds the provider's socket.
func RunLink(ctx context.Context, args []string, _, stderr io.Writer) error {
	var o socketlink.Options
	var check bool
	flags := flag.NewFlagSet("gtc-csi-provider "+linkCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Providers, "providers-dir", "/providers", "`path` of the driver's folder of providers")
	flags.IntVar(&o.Owner, "owner", 65532, "`uid` that the provider runs as; its folder is given to it")
	flags.BoolVar(&check, "check", false, "only say whether everything is set up, by exit code 0")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errInvalid, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: unexpected argument %q; there are only flags", errInvalid, flags.Arg(0))
	}
	if o.Owner < 0 {
		return fmt.Errorf("%w: --owner: %d is no user id", errInvalid, o.Owner)
	}
	if check {
		return socketlink.Check(o)
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	err := socketlink.Hold(ctx, o, func() { log.Info("linked", logkey.Path, o.Providers) })
	if err == nil {
		log.Info("stopping", logkey.Path, o.Providers)
	}
	return err
}
