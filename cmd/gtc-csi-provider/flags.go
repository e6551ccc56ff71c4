package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

// errInvalid is what the operator wrote and has to correct: flags or the configuration.
var errInvalid = errors.New("invalid start")

type options struct {
	endpoint    string
	config      string
	healthAddr  string
	metricsAddr string
	logLevel    slog.Level
	version     bool
	poll        time.Duration
	apiAccess   string
	events      bool
	watchNode   string
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	var level string
	flags := flag.NewFlagSet("gtc-csi-provider", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(stderr, "Usage: gtc-csi-provider [flags]\n       gtc-csi-provider %s [flags]   (beside it, see its --help)\n", linkCommand)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.endpoint, "endpoint", "/provider/greentic.sock", "`path` of the Unix socket, in the driver's provider folder")
	flags.StringVar(&o.config, "config", "/etc/greentic/provider.yaml", "`path` of the configuration; it is read again when it changes")
	flags.StringVar(&o.healthAddr, "health-addr", ":8080", "`address` of /healthz, /readyz and /debug/sessions; empty for none")
	flags.StringVar(&o.metricsAddr, "metrics-addr", ":8081", "`address` of /metrics; empty for none")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	flags.DurationVar(&o.poll, "config-poll", 5*time.Second, "how often the configuration is looked at")
	flags.StringVar(&o.apiAccess, "api-access", kubeapi.Folder, "`folder` with the token and ca.crt for the API server, for events and the pod watch")
	flags.BoolVar(&o.events, "events", true, "tell a pod's owner in its events what became of its secrets, where there is access to the API server")
	flags.StringVar(&o.watchNode, "pod-watch-node", "", "`name` of this node: its pods are watched, and what Vault made for one is revoked when it has ended; empty for no watch")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{}, err
		}
		return options{}, fmt.Errorf("%w: %w", errInvalid, err)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{errInvalid}, args...)...))
	}
	if flags.NArg() > 0 {
		fault("unexpected argument %q; there are only flags", flags.Arg(0))
	}
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	known := false
	if o.logLevel, known = levels[level]; !known {
		fault("--log-level: %q is none of debug, info, warn, error", level)
	}
	if o.endpoint == "" {
		fault("--endpoint: it is empty; name the socket's path")
	}
	if o.config == "" {
		fault("--config: it is empty; name the configuration's file")
	}
	if o.poll <= 0 {
		fault("--config-poll: %s is not more than 0", o.poll)
	}
	return o, errors.Join(faults...)
}
