//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// watchMode is what --watch says to do when the volume's secrets change. The zero value, of no --watch, does not look whether they do.
type watchMode struct {
	rewrite bool        // only the dev-store is
	signal  unix.Signal // goes to the program; 0 for none
	restart bool        // the program is, with the new variables
}

const watchModes = "rewrite, signal=NAME or restart"

// tellable are the signals by which a program can be told of something.
var tellable = []string{"HUP", "USR1", "USR2", "INT", "QUIT", "TERM"}

func parseWatch(text string) (watchMode, error) {
	switch text {
	case "rewrite":
		return watchMode{rewrite: true}, nil
	case "restart":
		return watchMode{restart: true}, nil
	}
	mode, name, _ := strings.Cut(text, "=")
	if mode != "signal" {
		return watchMode{}, fmt.Errorf("%w: --watch %.200q is none of %s%s", errUsage, text, watchModes, meantSignal(text))
	}
	if slices.Contains(tellable, name) {
		return watchMode{signal: unix.SignalNum("SIG" + name)}, nil
	}
	return watchMode{}, fmt.Errorf("%w: --watch %.200q: the signal is one of %s%s", errUsage, text, strings.Join(tellable, ", "), meantSignal(name))
}

// meantSignal ends an error about name with the signal that it is another spelling of.
func meantSignal(name string) string {
	known := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if !slices.Contains(tellable, known) {
		return ""
	}
	return ", did you mean signal=" + known + "?"
}

// checkWatch is what is wrong with --watch and --grace beside the flags that were given.
func (a runArguments) checkWatch(given map[string]bool) error {
	var faults []error
	refuse := func(why string) { faults = append(faults, fmt.Errorf("%w: %s", errUsage, why)) }
	if a.watch.rewrite && a.devStore == "" {
		refuse("--watch rewrite has no --dev-store to rewrite, and a running program's variables cannot change: use --watch restart, " +
			"or signal=NAME for a program that reads the volume's files")
	}
	if given["watch"] && !given["secret"] && !given["optional-secret"] {
		refuse("--watch has nothing to look at: name the secrets that the volume holds with --secret")
	}
	if given["grace"] && !a.watch.restart {
		refuse("--grace is for a program that is restarted: add --watch restart")
	}
	if a.grace < 0 {
		refuse(fmt.Sprintf("--grace %s is negative", a.grace))
	}
	return errors.Join(faults...)
}
