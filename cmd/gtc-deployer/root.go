package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
)

// Exit codes.
const (
	exitFailed   = 1 // Vault, the network or a file said no
	exitBadInput = 2 // what was typed, or a file that was named, is wrong
)

// Run runs the command line args, which start after the program's name. It prints results to stdout, and to stderr only what a person
// should know besides; the error is the caller's to print.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRootCommand() //nolint:contextcheck // its commands take the context from ExecuteContext
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gtc-deployer",
		Short: "Deploy Greentic workers whose secrets stay in Vault",
		Long: "gtc-deployer turns a Greentic environment file into Kubernetes manifests that hold badges instead of secrets,\n" +
			"makes Vault ready for them, and brings secrets into Vault.",
		Version:           version.Line("gtc-deployer"),
		Args:              unknownCommand,
		RunE:              showHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badInput(err) })
	root.AddCommand(newRenderCommand(), newVaultCommand(), newSecretsCommand(), newExplainCommand(), newDoctorCommand())
	return root
}

// inputError is an error that the person who typed or wrote something can mend.
type inputError struct{ error }

// Unwrap is the error itself.
func (e inputError) Unwrap() error { return e.error }

// badInput marks err as one for exit code 2; nil stays nil.
func badInput(err error) error {
	if err == nil {
		return nil
	}
	return inputError{err}
}

func badInputf(format string, args ...any) error { return badInput(fmt.Errorf(format, args...)) }

// badInputIf marks err if it is one of kinds.
func badInputIf(err error, kinds ...error) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return badInput(err)
		}
	}
	return err
}

func exitCode(err error) int {
	var input inputError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &input):
		return exitBadInput
	default:
		return exitFailed
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: unknownCommand, RunE: showHelp}
	cmd.AddCommand(commands...)
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return badInputf("%q is no command of %q: see %q", args[0], cmd.CommandPath(), cmd.CommandPath()+" --help")
}

func noArguments(cmd *cobra.Command, args []string) error { return exactly()(cmd, args) }

// exactly wants one argument for each of names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return badInputf("%s is missing: %s", names[len(args)], cmd.UseLine())
		case len(args) > len(names):
			// A stray argument may be a secret that was meant for a flag: it is not repeated.
			return badInputf("argument %d is one too many: %s", len(names)+1, cmd.UseLine())
		}
		return nil
	}
}
