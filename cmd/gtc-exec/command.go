//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/install"
	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
)

const help = `gtc-exec stands before a worker in its pod: it waits for the worker's secrets, then starts it.

  gtc-exec install DIR
      copies itself to DIR/gtc-exec

  gtc-exec run [flags] -- PROGRAM [ARG...]
      waits until the volume holds every promised secret and starts PROGRAM. A variable whose
      value is a promised reference gets the secret as its value.

      --secret REF[=FILE]           a secret the volume holds; FILE is its path there
                                    (default <team>/<category>/<name>); repeatable
      --optional-secret REF[=FILE]  one that may be absent; its variable is then not set
      --volume DIR                  where the volume is mounted (default ` + defaultVolume + `)
      --wait DURATION               how long to wait for it (default 60s; 0 looks once)
      --dev-store PATH              writes the secrets to PATH as a Greentic dev-store and sets
                                    GREENTIC_DEV_SECRETS_PATH; PATH's folder must be memory-backed
      --watch MODE                  what to do when the volume's secrets change (default: nothing)
                                    rewrite      write the dev-store anew; a Greentic worker reads
                                                 it within SECRETS_CACHE_TTL_SECS (default 300)
                                    signal=NAME  the same if there is a dev-store, then send PROGRAM
                                                 HUP, USR1, USR2, INT, QUIT or TERM
                                    restart      the same, then end PROGRAM with SIGTERM and start
                                                 it again, its variables with the new values
      --grace DURATION              how long PROGRAM may take to end for a restart before it is
                                    killed (default 30s)

  gtc-exec version

A REF is secret://<env>/<tenant>/<team>/<category>/<name>[@<version>].

PROGRAM's signals and exit code are its own (128+n if signal n killed it). gtc-exec's own codes:
2 bad input, 65 a secret that fits no variable, 69 secrets not there, 73 dev-store not written,
126 PROGRAM cannot be executed, 127 PROGRAM not found. A change of the secrets that cannot be handed
on is said, and PROGRAM keeps what it has.
`

// Run is the command: args without the program's own name, environ as os.Environ gives it. The code is what to exit with; a non-nil
// error is for a person to read.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (code int, err error) {
	code, err = dispatch(ctx, args, environ, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = io.WriteString(stdout, help)
		return 0, err
	case err != nil:
		return codeOf(err), err
	}
	return code, nil
}

func dispatch(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (int, error) {
	if len(args) == 0 {
		return 0, fmt.Errorf("%w: name a command: install, run or version", errUsage)
	}
	switch name, rest := args[0], args[1:]; name {
	case "run":
		return runProgram(ctx, rest, environ, stderr)
	case "install":
		if len(rest) == 1 && isHelp(rest[0]) {
			return 0, flag.ErrHelp
		}
		if len(rest) != 1 {
			return 0, fmt.Errorf("%w: install takes one folder", errUsage)
		}
		return 0, install.Self(rest[0])
	case "version", "-version", "--version":
		_, err := fmt.Fprintln(stdout, version.Line("gtc-exec"))
		return 0, err
	default:
		if isHelp(name) {
			return 0, flag.ErrHelp
		}
		return 0, fmt.Errorf("%w: no command %.200q: there are install, run and version", errUsage, name)
	}
}

func isHelp(arg string) bool {
	return arg == "help" || arg == "-h" || arg == "-help" || arg == "--help"
}
