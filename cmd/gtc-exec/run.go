//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/devstore"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/process"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/variables"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// runProgram is "gtc-exec run": everything that can be refused is refused first, then the secrets are waited for and handed over, then
// the program runs to its end. The code is the program's.
func runProgram(ctx context.Context, args, environ []string, stderr io.Writer) (int, error) {
	signals := process.Listen()
	p, err := prepare(args, environ)
	if err != nil {
		return 0, err
	}
	defer p.close()

	waiting, done := signals.Until(ctx)
	snapshot, err := volume.Wait(waiting, p.args.volume, p.args.promises, p.args.wait, func(missing error) {
		fmt.Fprintf(stderr, "gtc-exec: waiting up to %s for the volume:\n%s\n", p.args.wait, indent(missing))
	})
	done()
	if err != nil {
		return 0, err
	}
	filled, err := p.hand(snapshot)
	if err != nil {
		return 0, err
	}
	restarts, stop := p.watch(ctx, snapshot, filled, signals, stderr)
	defer stop()
	snapshot.Wipe()
	return p.program.Run(filled, signals, restarts)
}

// prepared is a run that nothing but its secrets stands in the way of.
type prepared struct {
	args        runArguments
	program     process.Program
	environment variables.Environment
	place       *devstore.Place // nil for no dev-store
}

// prepare checks all that can be checked without the volume, and reports all faults.
func prepare(args, environ []string) (prepared, error) {
	a, err := parseRun(args)
	if errors.Is(err, flag.ErrHelp) {
		return prepared{}, err
	}
	p := prepared{args: a}
	faults := []error{err}
	check := func(err error) { faults = append(faults, err) }
	promised := a.promises.Has
	if err != nil {
		// With a promise that could not be read, nobody knows which references are promised.
		promised = func(secretref.Reference) bool { return true }
	}
	p.environment, err = variables.Parse(environ, promised)
	check(err)
	if a.devStore != "" {
		check(p.environment.Set(devstore.PathVariable, a.devStore))
		check(devstore.Check(a.promises))
		p.place, err = devstore.Find(a.devStore)
		check(err)
	}
	if len(a.command) > 0 {
		p.program, err = process.Find(a.command)
		check(err)
	}
	if err := errors.Join(faults...); err != nil {
		p.close()
		return prepared{}, err
	}
	return p, nil
}

func (p prepared) close() {
	if p.place != nil {
		_ = p.place.Close() // what was written to it is closed already
	}
}

// hand writes the dev-store and makes the program's variables.
func (p prepared) hand(snapshot volume.Snapshot) ([]string, error) {
	filled, err := p.environment.Fill(snapshot)
	if err != nil || p.place == nil {
		return filled, err
	}
	// The key is looked up where the worker will look for it: it may itself be a secret.
	return filled, p.place.Write(p.args.promises, snapshot, lookup(filled, devstore.KeyVariable))
}

// lookup is the first value of name in environ, as C's getenv finds it; "" if there is none.
func lookup(environ []string, name string) string {
	for _, text := range environ {
		if value, found := strings.CutPrefix(text, name+"="); found {
			return value
		}
	}
	return ""
}
