//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
)

// errUsage is a command line that cannot be understood.
var errUsage = errors.New("usage")

const (
	defaultVolume = "/var/run/greentic/secrets"
	defaultWait   = 60 * time.Second
	defaultGrace  = 30 * time.Second // a pod's own
)

// runArguments are what "gtc-exec run" was told.
type runArguments struct {
	volume   string
	promises volume.Promises
	devStore string // "" for none
	wait     time.Duration
	watch    watchMode
	grace    time.Duration // of a program that is restarted
	command  []string
}

// parseRun reads the arguments after "run". What follows "--" is the program's and is not looked at. Every fault is reported, each
// errUsage; help asked for is flag.ErrHelp.
func parseRun(args []string) (runArguments, error) {
	var a runArguments
	end := slices.Index(args, "--")
	if end >= 0 {
		a.command = args[end+1:]
		args = args[:end]
	}
	var texts, optional []string
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it, and the help is our own
	flags.StringVar(&a.volume, "volume", defaultVolume, "")
	flags.Func("secret", "", func(text string) error { texts = append(texts, text); return nil })
	flags.Func("optional-secret", "", func(text string) error { optional = append(optional, text); return nil })
	flags.StringVar(&a.devStore, "dev-store", "", "")
	flags.DurationVar(&a.wait, "wait", defaultWait, "")
	watch := flags.String("watch", "", "")
	flags.DurationVar(&a.grace, "grace", defaultGrace, "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return runArguments{}, err
		}
		return runArguments{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	var faults []error
	refuse := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...))
	}
	if end < 0 || len(a.command) == 0 {
		refuse("no program: name it after all flags, behind --")
	}
	if flags.NArg() > 0 {
		refuse("unexpected argument %.200q before --", flags.Arg(0))
	}
	if !filepath.IsAbs(a.volume) {
		refuse("--volume %.200q is not an absolute path", a.volume)
	}
	if a.wait < 0 {
		refuse("--wait %s is negative", a.wait)
	}
	promises, err := parsePromises(texts, optional)
	faults = append(faults, err)
	a.promises = promises
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["watch"] {
		a.watch, err = parseWatch(*watch)
		faults = append(faults, err)
	}
	faults = append(faults, a.checkWatch(given))
	return a, errors.Join(faults...)
}

func parsePromises(required, optional []string) (volume.Promises, error) {
	var faults []error
	var list []volume.Promise
	parse := func(option string, texts []string, optional bool) {
		for i, text := range texts {
			promise, err := volume.ParsePromise(text, optional)
			if err != nil {
				faults = append(faults, fmt.Errorf("%w: %s[%d]: %w", errUsage, option, i, err))
				continue
			}
			list = append(list, promise)
		}
	}
	parse("--secret", required, false)
	parse("--optional-secret", optional, true)
	promises, err := volume.NewPromises(list)
	if err != nil {
		faults = append(faults, fmt.Errorf("%w: %w", errUsage, err))
	}
	return promises, errors.Join(faults...)
}
