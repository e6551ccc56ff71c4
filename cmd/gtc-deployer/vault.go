package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/wiring"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

func newVaultCommand() *cobra.Command {
	return group("vault", "Make Vault ready for an environment", newVaultApplyCommand())
}

// The auth methods, as --method names them.
const (
	methodKubernetes = "kubernetes"
	methodJWT        = "jwt"
)

// applyFlags are the flags of vault apply.
type applyFlags struct {
	environment, address, layout, audience, method string
	leased                                         []string
	provider                                       providerFlags
	kubernetes                                     kubernetesFlags
	jwt                                            jwtFlags
}

type kubernetesFlags struct {
	kubeconfig, host, ca, reviewerToken string
	renew                               bool
}

type jwtFlags struct{ keys, discoveryURL, discoveryCA, issuer string }

func newVaultApplyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply --environment FILE",
		Short: "Mounts, transit key, auth method, and one policy and role per scope",
		Long: "Makes Vault hold what an environment's workers need: the KV v2 and transit mounts and the transit key, the auth method,\n" +
			"for every scope one policy and one role that binds exactly one namespace, ServiceAccount and audience, and the\n" +
			"audited header X-Greentic-Pod. Everything is read first; what is right is left alone, so a second run writes nothing.\n\n" +
			"Without flags that name the cluster, an auth method that is configured already stays so, and one that is not is\n" +
			"configured for a Vault that runs in the cluster itself (kubernetes), or asks for keys (jwt).\n\n" + connectionHelp,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd) },
	}
	f.register(cmd)
	return cmd
}

func (f *applyFlags) register(cmd *cobra.Command) {
	environmentFlag(cmd, &f.environment)
	vaultAddressFlag(cmd, &f.address)
	layoutFlag(cmd, &f.layout)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.audience, "audience", "vault", "whom the pods' tokens are for, as in the CSIDriver object's tokenRequests")
	flags.StringArrayVar(&f.leased, "leased", nil, "`SCOPE` whose workers need leases: renewable service tokens instead of batch tokens (repeatable)")
	flags.StringVar(&f.provider.config, "provider-config", "", "the provider's configuration: policies grant what its rawPaths in this `FILE` do, "+
		"and a scope with a leased one is --leased")
	flags.StringVar(&f.provider.connection, "connection", "", "whose rawPaths: the `NAME` of the connection to this Vault there (its first)")
	flags.StringVar(&f.method, "method", methodKubernetes, "how Vault proves a pod's token: kubernetes or jwt")
	flags.StringVar(&f.kubernetes.kubeconfig, "kubeconfig", "", "kubernetes: take the cluster's address and CA from this `FILE`'s current context")
	flags.StringVar(&f.kubernetes.host, "cluster-host", "", "kubernetes: the API server's `URL` as Vault reaches it")
	flags.StringVar(&f.kubernetes.ca, "cluster-ca", "", "kubernetes: `FILE` with the PEM of the API server's authority")
	flags.StringVar(&f.kubernetes.reviewerToken, "reviewer-token-file", "",
		"kubernetes: `FILE` with a token that may review tokens, for a Vault outside the cluster")
	flags.BoolVar(&f.kubernetes.renew, "renew-reviewer-token", false, "kubernetes: write that token again; Vault never shows which one it has")
	flags.StringVar(&f.jwt.keys, "jwt-keys", "", "jwt: `FILE` with the PEM public keys of the cluster's token issuer")
	flags.StringVar(&f.jwt.discoveryURL, "oidc-discovery-url", "", "jwt: or the issuer's `URL`, where Vault finds them")
	flags.StringVar(&f.jwt.discoveryCA, "oidc-discovery-ca", "", "jwt: `FILE` with the PEM of the authority behind that URL")
	flags.StringVar(&f.jwt.issuer, "jwt-issuer", "", "jwt: the issuer that tokens must name")
}

func (f *applyFlags) run(ctx context.Context, cmd *cobra.Command) error {
	env, spec, err := f.spec(cmd.Flags())
	if err != nil {
		return err
	}
	vault, err := connect(env, f.address, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer vault.Close()
	out := cmd.OutOrStdout()
	result, err := wiring.Apply(ctx, vault, spec, func(step wiring.Step) { printStep(out, step) })
	if err != nil {
		return badInputIf(err, wiring.ErrInvalid)
	}
	fmt.Fprintf(out, "%d written, %d as they were\n", result.Writes(), len(result.Steps)-result.Writes())
	return nil
}

func printStep(out io.Writer, step wiring.Step) {
	line := fmt.Sprintf("%-8s %s", step.Did, step.What)
	if len(step.Fields) > 0 {
		line += ": " + strings.Join(step.Fields, ", ")
	}
	if step.Note != "" {
		line += " (" + step.Note + ")"
	}
	fmt.Fprintln(out, line)
}

// spec is what the flags and the files that they name ask for; every fault in them at once.
func (f *applyFlags) spec(given *pflag.FlagSet) (environment.Environment, wiring.Spec, error) {
	var faults []error
	env, places, err := loadVaultEnvironment(f.environment)
	faults = append(faults, err)
	layout, err := parseLayout(f.layout)
	faults = append(faults, err)
	method, err := f.parseMethod(given)
	faults = append(faults, err)
	leased, err := f.parseLeased()
	faults = append(faults, err)
	raw, err := f.provider.rawPaths()
	faults = append(faults, err)
	if f.audience == "" {
		faults = append(faults, badInputf("--audience: it is never empty"))
	}
	if err := errors.Join(faults...); err != nil {
		return environment.Environment{}, wiring.Spec{}, err
	}
	if f.method == methodJWT && places.Names().AuthMount == methodKubernetes {
		return environment.Environment{}, wiring.Spec{}, badInputf("--method jwt: the environment's auth_mount is %q, where the other method belongs: "+
			"set auth_mount in the secrets slot, to \"jwt\" for example, and in the provider's configuration", methodKubernetes)
	}
	roles, err := rolesOf(env, leased, raw)
	if err != nil {
		return environment.Environment{}, wiring.Spec{}, err
	}
	return env, wiring.Spec{Places: places, Method: method, Audience: f.audience, Layout: layout, Roles: roles}, nil
}

// methodFlags says whose flags they are.
var methodFlags = map[string][]string{
	methodKubernetes: {"kubeconfig", "cluster-host", "cluster-ca", "reviewer-token-file", "renew-reviewer-token"},
	methodJWT:        {"jwt-keys", "oidc-discovery-url", "oidc-discovery-ca", "jwt-issuer"},
}

func (f *applyFlags) parseMethod(given *pflag.FlagSet) (wiring.Method, error) {
	if _, known := methodFlags[f.method]; !known {
		return nil, badInputf("--method: %q is neither %q nor %q", f.method, methodKubernetes, methodJWT)
	}
	var faults []error
	for _, method := range []string{methodKubernetes, methodJWT} {
		for _, name := range methodFlags[method] {
			if method != f.method && given.Changed(name) {
				faults = append(faults, badInputf("--%s belongs to --method %s", name, method))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if f.method == methodJWT {
		return f.jwt.parse()
	}
	return f.kubernetes.parse()
}

func (f kubernetesFlags) parse() (wiring.Method, error) {
	var faults []error
	k := wiring.Kubernetes{Host: f.host, Renew: f.renew}
	if f.kubeconfig != "" {
		if f.host != "" || f.ca != "" {
			faults = append(faults, badInputf("--kubeconfig names the cluster's host and CA already: leave out --cluster-host and --cluster-ca"))
		}
		host, ca, err := clusterOf(f.kubeconfig)
		faults = append(faults, err)
		k.Host, k.CACert = host, ca
	}
	if f.ca != "" {
		ca, err := readFile("--cluster-ca", f.ca, maxPEM)
		faults = append(faults, err)
		k.CACert = string(ca)
	}
	if f.reviewerToken != "" {
		token, err := readFile("--reviewer-token-file", f.reviewerToken, maxToken)
		faults = append(faults, err)
		k.ReviewerToken = secret.NewString(strings.TrimSpace(string(token)))
	}
	return k, errors.Join(faults...)
}

func (f jwtFlags) parse() (wiring.Method, error) {
	var faults []error
	j := wiring.JWT{DiscoveryURL: f.discoveryURL, Issuer: f.issuer}
	if f.keys != "" {
		keys, err := readFile("--jwt-keys", f.keys, maxPEM)
		faults = append(faults, err)
		j.Keys = string(keys)
	}
	if f.discoveryCA != "" {
		ca, err := readFile("--oidc-discovery-ca", f.discoveryCA, maxPEM)
		faults = append(faults, err)
		j.DiscoveryCA = string(ca)
	}
	return j, errors.Join(faults...)
}

// clusterOf is the address and the authority of the cluster in a kubeconfig's current context. Nothing else of the file is used: its
// credentials are the operator's, not Vault's.
func clusterOf(path string) (host, ca string, err error) {
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return "", "", badInputf("--kubeconfig: reading %q: %w", path, err)
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return "", "", badInputf("--kubeconfig: %q: %w", path, err)
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return "", "", badInputf("--kubeconfig: %q: its current context %q is not in it: choose one (kubectl config use-context)", path, config.CurrentContext)
	}
	cluster, ok := config.Clusters[current.Cluster]
	switch {
	case !ok:
		return "", "", badInputf("--kubeconfig: %q: the cluster %q is not in it", path, current.Cluster)
	case cluster.InsecureSkipTLSVerify:
		return "", "", badInputf("--kubeconfig: %q: the cluster %q skips TLS verification, which Vault must not do: "+
			"give --cluster-host and --cluster-ca instead", path, current.Cluster)
	case cluster.TLSServerName != "":
		return "", "", badInputf("--kubeconfig: %q: the cluster %q is verified under another name (tls-server-name), which Vault cannot do: "+
			"give a --cluster-host that its certificate holds, and --cluster-ca", path, current.Cluster)
	}
	if len(cluster.CertificateAuthorityData) == 0 && cluster.CertificateAuthority != "" {
		data, err := readFile("--kubeconfig: certificate-authority", cluster.CertificateAuthority, maxPEM)
		return cluster.Server, string(data), err
	}
	return cluster.Server, string(cluster.CertificateAuthorityData), nil
}
