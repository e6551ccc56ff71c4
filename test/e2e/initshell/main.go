// Command initshell is a shell for init containers of images that hold nothing but itself. The workers' init containers run scripts in an
// image with a shell and coreutils; on a machine that can pull no image this stands in for it: a POSIX shell as a library, with mkdir and cp.
//
//	sh -c SCRIPT
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := Run(ctx, os.Args[1:])
	stop()
	var status interp.ExitStatus
	switch {
	case err == nil:
	case errors.As(err, &status):
		os.Exit(int(status))
	default:
		fmt.Fprintln(os.Stderr, "sh:", err)
		os.Exit(1)
	}
}

// Run runs the script in args. The error is an interp.ExitStatus where the script ended with one.
func Run(ctx context.Context, args []string) error {
	if len(args) != 2 || args[0] != "-c" {
		return errors.New("usage: sh -c SCRIPT")
	}
	script, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(args[1]), "")
	if err != nil {
		return err
	}
	shell, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr), interp.ExecHandlers(coreutils))
	if err != nil {
		return err
	}
	return shell.Run(ctx, script)
}

// coreutils runs what is no builtin of the shell's.
func coreutils(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		var err error
		switch {
		case len(args) == 3 && args[0] == "mkdir" && args[1] == "-p":
			err = os.MkdirAll(args[2], 0o755)
		case len(args) == 3 && args[0] == "cp":
			err = copyFile(args[1], args[2])
		default:
			return next(ctx, args)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", args[0], err)
			return interp.ExitStatus(1)
		}
		return nil
	}
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
