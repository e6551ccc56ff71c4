package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/store"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func newSecretsCommand() *cobra.Command {
	return group("secrets", "Bring secrets into Vault", newPutCommand(), newImportCommand())
}

// putFlags are the flags of secrets put; at most one of the three sources is given.
type putFlags struct {
	environment, address string
	source               source
}

func newPutCommand() *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put REFERENCE --environment FILE",
		Short: "Write one value as a record",
		Long: "Writes a value as the newest version of secret://<env>/<tenant>/<team>/<category>/<name>. The value comes from a variable,\n" +
			"a file, standard input or a prompt that shows nothing, and is never printed. If somebody else writes the same secret\n" +
			"meanwhile, nothing is covered up: the command says so.\n\n" + connectionHelp,
		Args: exactly("REFERENCE"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd, args[0]) },
	}
	environmentFlag(cmd, &f.environment)
	vaultAddressFlag(cmd, &f.address)
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.source.variable, "env", "", "take the value from this environment `VARIABLE`")
	cmd.Flags().StringVar(&f.source.file, "file", "", "take the value from this `FILE`, byte for byte")
	cmd.Flags().BoolVar(&f.source.stdin, "stdin", false, "take the value from standard input, byte for byte")
	return cmd
}

func (f *putFlags) run(ctx context.Context, cmd *cobra.Command, text string) error {
	env, places, loadErr := loadVaultEnvironment(f.environment)
	ref, refErr := secretref.Parse(text)
	if err := errors.Join(loadErr, badInput(refErr), f.source.check()); err != nil {
		return err
	}
	vault, err := connect(env, f.address, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer vault.Close()
	secrets := storeOf(vault, places, env)
	if err := secrets.Check(ref); err != nil {
		return badInput(err)
	}
	value, err := f.source.read(ctx, cmd, ref)
	if err != nil {
		return err
	}
	defer value.Wipe()
	version, err := secrets.Put(ctx, ref, value)
	if err != nil {
		return badInputIf(err, store.ErrTooLong)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s version %d\n", store.Written, ref, version)
	return nil
}

func storeOf(vault store.Vault, places place.Places, env environment.Environment) *store.Store {
	owner := store.Owner{Env: env.ID}
	if env.TenantOrg != "" {
		owner.Tenants = append(owner.Tenants, env.TenantOrg)
	}
	for _, scope := range env.Scopes() {
		owner.Tenants = append(owner.Tenants, scope.Tenant())
	}
	slices.Sort(owner.Tenants)
	owner.Tenants = slices.Compact(owner.Tenants)
	return store.New(vault, places, owner)
}

// source is where a value comes from; the zero value is the prompt.
type source struct {
	variable, file string
	stdin          bool
}

func (s source) check() error {
	given := 0
	for _, is := range []bool{s.variable != "", s.file != "", s.stdin} {
		if is {
			given++
		}
	}
	if given > 1 {
		return badInputf("--env, --file and --stdin: give one of them")
	}
	return nil
}

// read takes the value; all its faults are the person's to mend.
func (s source) read(ctx context.Context, cmd *cobra.Command, ref secretref.Reference) (secret.Value, error) {
	stdin := cmd.InOrStdin()
	switch {
	case s.variable != "":
		// The name is not repeated: it may be the value, by mistake.
		value, set := os.LookupEnv(s.variable)
		if !set {
			return secret.Value{}, badInputf("--env: no variable of that name is set")
		}
		return secret.NewString(value), nil
	case s.file != "":
		value, err := readFile("--file", s.file, store.MaxValue)
		noteNewline(cmd.ErrOrStderr(), value)
		return secret.New(value), err
	case s.stdin:
		value, err := readAll(stdin, store.MaxValue)
		if err != nil {
			return secret.Value{}, badInput(fmt.Errorf("--stdin: %w", err))
		}
		noteNewline(cmd.ErrOrStderr(), value)
		return secret.New(value), nil
	}
	return prompt(ctx, stdin, cmd.ErrOrStderr(), ref)
}

// noteNewline tells of the byte that editors and echo leave behind: stored as it is, it breaks many a password.
func noteNewline(stderr io.Writer, value []byte) {
	if len(value) > 0 && value[len(value)-1] == '\n' {
		fmt.Fprintln(stderr, "note: the value ends with a newline, which is stored as part of it")
	}
}

// importFlags are the flags of secrets import.
type importFlags struct {
	environment, address string
	options              store.Options
}

func newImportCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import DEVSTORE --environment FILE",
		Short: "Bring a dev-store file's secrets into Vault",
		Long: "Reads a dev-store file as Greentic writes it (.dev.secrets.env; GREENTIC_DEV_MASTER_KEY as when it was written) and writes\n" +
			"each secret's newest version into Vault as a record with a data key of its own. What Vault has already with the same\n" +
			"value is left alone; what it has with another value is refused, as is what belongs to another environment or tenant:\n" +
			"all of it before anything is written. The deployer's own credentials stay out.\n\n" + connectionHelp,
		Args: exactly("DEVSTORE"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd, args[0]) },
	}
	environmentFlag(cmd, &f.environment)
	vaultAddressFlag(cmd, &f.address)
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&f.options.Overwrite, "overwrite", false, "where Vault has another value, write the file's as the next version")
	cmd.Flags().BoolVar(&f.options.LeaveOutForeign, "leave-out-foreign", false, "leave out secrets of other environments and tenants")
	return cmd
}

func (f *importFlags) run(ctx context.Context, cmd *cobra.Command, path string) error {
	env, places, loadErr := loadVaultEnvironment(f.environment)
	entries, readErr := readDevStore(path)
	if err := errors.Join(loadErr, readErr); err != nil {
		return err
	}
	defer func() {
		for _, entry := range entries {
			entry.Value.Wipe()
		}
	}()
	vault, err := connect(env, f.address, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer vault.Close()
	outcomes, err := storeOf(vault, places, env).Import(ctx, entries, f.options)
	printOutcomes(cmd.OutOrStdout(), outcomes, err == nil)
	return badInputIf(err, store.ErrReference, store.ErrTooLong)
}

func readDevStore(path string) ([]record.Entry, error) {
	text, err := readFile("dev-store", path, record.MaxDevStore)
	if err != nil {
		return nil, err
	}
	entries, err := record.ReadDevStore(text, secret.NewString(os.Getenv("GREENTIC_DEV_MASTER_KEY")))
	if err != nil {
		return nil, badInput(fmt.Errorf("reading dev-store %q:\n%w", path, err))
	}
	return entries, nil
}

func printOutcomes(out io.Writer, outcomes []store.Outcome, done bool) {
	counts := map[store.Did]int{}
	for _, o := range outcomes {
		counts[o.Did]++
		switch o.Did {
		case store.LeftOut:
			fmt.Fprintf(out, "%-11s %s (%s)\n", o.Did, o.Ref, o.Why)
		case store.Failed:
			fmt.Fprintf(out, "%-11s %s\n", o.Did, o.Ref)
		case store.Written, store.Same:
			fmt.Fprintf(out, "%-11s %s version %d\n", o.Did, o.Ref, o.Version)
		}
	}
	if done || len(outcomes) > 0 {
		fmt.Fprintf(out, "%d written, %d the same, %d left out, %d not written\n",
			counts[store.Written], counts[store.Same], counts[store.LeftOut], counts[store.Failed])
	}
}
