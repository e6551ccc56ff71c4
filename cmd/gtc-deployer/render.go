package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/manifest"
	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
)

// maxStore is the most that is read of an environment.json, in bytes.
const maxStore = 2 << 20

// renderFlags are the flags of render as they are typed.
type renderFlags struct {
	environment  string
	output       string
	layout       string
	requirements []string
	store        string
	options      manifest.Options
}

func newRenderCommand() *cobra.Command {
	var flags renderFlags
	cmd := &cobra.Command{
		Use:   "render --environment FILE [--output DIR]",
		Short: "Render an environment's Kubernetes manifests",
		Long: "render turns an environment file into Kubernetes manifests: namespaces, ServiceAccounts, SecretProviderClasses,\n" +
			"network policies, and a Deployment and a Service for each worker. It asks neither the cluster nor Vault.\n\n" +
			"With secrets from Vault there is no Secret among them. With the dev-store there is one, without data.",
		Example: "  gtc-deployer render --environment prod.json | kubectl apply -f -\n" +
			"  gtc-deployer render --environment prod.json --requirements crm/messaging-slack=secret-requirements.json --output manifests",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return render(cmd, flags) },
	}
	environmentFlag(cmd, &flags.environment)
	layoutFlag(cmd, &flags.layout)
	set := cmd.Flags()
	set.StringVarP(&flags.output, "output", "o", "", "write one file for each object into `DIR`, and remove those of the last rendering (default: print them)")
	set.StringArrayVar(&flags.requirements, "requirements", nil,
		"add the needs of a bundle from a pack's secret-requirements.json: `BUNDLE[/PACK]=FILE` (repeatable)")
	set.StringVar(&flags.store, "environment-store", "", "`FILE` environment.json of Greentic's store, from which workers boot")
	set.StringVar(&flags.options.Connection, "connection", "", "`NAME` of the provider's Vault connection (default: its first)")
	set.StringVar(&flags.options.WorkerImage, "worker-image", "",
		"the workers' `IMAGE` (default: the environment's runtime_image, or "+manifest.DefaultWorkerImage+")")
	set.StringVar(&flags.options.InitImage, "init-image", "",
		"`IMAGE` with a shell that stages files (default: the environment's init_image, or "+manifest.DefaultInitImage+")")
	set.StringVar(&flags.options.ExecImage, "exec-image", releaseImage(version.Number()), "`IMAGE` with gtc-exec")
	set.StringVar(&flags.options.WorkerCommand, "worker-command", "", "the worker's `PROGRAM` in its image (default: "+manifest.DefaultWorkerCommand+")")
	set.StringArrayVar(&flags.options.WorkerArgs, "worker-arg", nil, "an `ARGUMENT` of the worker's program (repeatable; default: start --env ID)")
	return cmd
}

func render(cmd *cobra.Command, flags renderFlags) error {
	if flags.environment == "" {
		_, err := loadEnvironment("") // says that it is missing
		return err
	}
	layout, layoutErr := parseLayout(flags.layout)
	requirements, requirementsErr := readRequirements(flags.requirements)
	var storeErr error
	if flags.store != "" {
		flags.options.EnvironmentStore, storeErr = readFile("--environment-store", flags.store, maxStore)
	}
	if err := errors.Join(layoutErr, requirementsErr, storeErr); err != nil {
		return badInput(err)
	}
	flags.options.Layout = layout
	env, err := environment.Load(flags.environment, requirements...)
	if err != nil {
		return badInput(err)
	}
	objects, err := manifest.Render(env, flags.options)
	if err != nil {
		return badInputIf(err, manifest.ErrInvalid)
	}
	if flags.output == "" {
		return manifest.Write(cmd.OutOrStdout(), objects)
	}
	if err := manifest.WriteFolder(flags.output, objects); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%d objects in %s\n", len(objects), flags.output)
	return err
}

// readRequirements reads the files that --requirements names.
func readRequirements(flags []string) ([]environment.Requirements, error) {
	var faults []error
	list := make([]environment.Requirements, 0, len(flags))
	for _, flag := range flags {
		target, file, found := strings.Cut(flag, "=")
		bundle, pack, named := strings.Cut(target, "/")
		if !found || bundle == "" || file == "" || named && pack == "" {
			faults = append(faults, fmt.Errorf("--requirements: %q is not BUNDLE[/PACK]=FILE", flag))
			continue
		}
		document, err := readFile("--requirements", file, environment.MaxRequirements)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		list = append(list, environment.Requirements{Name: file, Bundle: bundle, Pack: pack, Document: document})
	}
	return list, errors.Join(faults...)
}

var release = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

// releaseImage is the image with gtc-exec that belongs to this program: its own release's, or that of one's own build. It is never "latest",
// which could be another version than the program is.
func releaseImage(number string) string {
	if !release.MatchString(number) {
		return manifest.DefaultExecImage
	}
	return manifest.ExecRepository + ":" + number
}
