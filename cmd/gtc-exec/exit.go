//go:build linux

package main

import (
	"errors"
	"flag"
	"strings"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/devstore"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/process"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/variables"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
)

// codes is what each error ends gtc-exec with; the first row that matches counts. 65, 69 and 73 are those of sysexits.h, 126 and 127
// a shell's.
var codes = []struct {
	err  error
	code int
}{
	{errUsage, 2},
	{variables.ErrReference, 2},
	{variables.ErrConflict, 2},
	{devstore.ErrPromises, 2},
	{devstore.ErrPlace, 2},
	{process.ErrNotFound, 127},
	{process.ErrNotExecutable, 126},
	{variables.ErrValue, 65},
	{devstore.ErrContents, 65},
	{volume.ErrUnreadable, 69},
	{volume.ErrMissing, 69},
	{devstore.ErrWrite, 73},
}

// codeOf is err's row in codes; 1 if it has none.
func codeOf(err error) int {
	if ended, ok := errors.AsType[process.SignalError](err); ok {
		return 128 + int(ended.Signal)
	}
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	for _, row := range codes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return 1
}

// hints are what to do next, for the errors that do not say it themselves.
var hints = []struct {
	err  error
	hint string
}{
	{errUsage, "see gtc-exec --help"},
	{volume.ErrMissing, "why the volume lacks them stands in the pod's events: kubectl describe pod"},
}

// report is what a person reads: each fault on a line of its own, then what to do next.
func report(err error) string {
	var b strings.Builder
	for line := range strings.Lines(err.Error()) {
		b.WriteString("gtc-exec: " + strings.TrimSuffix(line, "\n") + "\n")
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			b.WriteString("gtc-exec: " + h.hint + "\n")
		}
	}
	return b.String()
}

func indent(err error) string { return "  " + strings.ReplaceAll(err.Error(), "\n", "\n  ") }
