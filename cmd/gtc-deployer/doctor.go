package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/doctor"
)

// How long the cluster may take, for one answer and for all of them.
const (
	answerTimeout = 10 * time.Second
	doctorTimeout = 45 * time.Second
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	kubeconfig, context string
	audiences           []string
}

func newDoctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at the cluster for what mounts need, and say what to set",
		Long: "Looks at the CSIDriver object, the DaemonSets of the Secrets Store CSI driver and of the provider, and the admission policy.\n" +
			"Each is ok, warn (mounts work without it) or FAIL, with what is wrong; in the end come the values to set in the driver's\n" +
			"chart. Nothing is changed. The exit code is 1 if anything fails.\n\n" +
			"The cluster is the kubeconfig's (--kubeconfig, KUBECONFIG, ~/.kube/config), or in a pod the pod's own.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.audiences, "audience", []string{"vault"}, "an `AUDIENCE` of the provider's connections, as in tokenRequests (repeatable)")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig `FILE` (default: KUBECONFIG, ~/.kube/config, or the pod's own cluster)")
	flags.StringVar(&f.context, "context", "", "the kubeconfig's context of this `NAME` (default: its current one)")
	return cmd
}

func (f *doctorFlags) run(ctx context.Context, out io.Writer) error {
	var audienceErr error
	if slices.Contains(f.audiences, "") {
		audienceErr = badInputf("--audience: it is never empty")
	}
	config, configErr := f.cluster()
	if err := errors.Join(audienceErr, configErr); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return badInput(fmt.Errorf("connecting to the cluster: %w", err))
	}
	defer client.CloseIdleConnections()
	cluster, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return badInput(fmt.Errorf("connecting to the cluster: %w", err))
	}
	slices.Sort(f.audiences)
	report, err := doctor.Check(ctx, cluster, slices.Compact(f.audiences))
	if err != nil {
		return err
	}
	if err := printReport(out, report); err != nil {
		return err
	}
	if failed := report.Failed(); failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(report.Findings))
	}
	return nil
}

// cluster is the API server that a kubeconfig, or the pod that this program runs in, names.
func (f *doctorFlags) cluster() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	rules.WarnIfAllMissing = false
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context}).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, badInputf("no cluster is named: give --kubeconfig, or set KUBECONFIG")
	case err != nil:
		return nil, badInput(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	config.Timeout = answerTimeout
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// printReport prints a line for each finding, and under it what to do.
func printReport(out io.Writer, report *doctor.Report) error {
	var text strings.Builder
	for _, f := range report.Findings {
		fmt.Fprintf(&text, "%-5s %s: %s\n", f.Status, f.Object, f.Says)
		if f.Next != "" {
			fmt.Fprintf(&text, "      %s\n", f.Next)
		}
	}
	values, err := report.Values.YAML()
	if err != nil {
		return err
	}
	if values != "" {
		text.WriteString("\nSet in the values of the driver's chart, secrets-store-csi-driver:\n\n")
		for line := range strings.Lines(values) {
			text.WriteString("    " + line)
		}
	}
	_, err = io.WriteString(out, text.String())
	return err
}
