package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// explainFlags are the flags of explain.
type explainFlags struct{ environment, layout, output string }

func newExplainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain REFERENCE",
		Short: "One reference's path in Vault, file, badge, role and policy",
		Long: "Says what a reference means in every place: nothing is asked of Vault or a cluster. With --environment the names of Vault's\n" +
			"mounts are that environment's, and the workers that may read the secret are listed.",
		Args: exactly("REFERENCE"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.OutOrStdout(), args[0]) },
	}
	environmentFlag(cmd, &f.environment)
	layoutFlag(cmd, &f.layout)
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.output, "output", "text", "text or json")
	return cmd
}

// explanation is everything that one reference means.
type explanation struct {
	Reference string            `json:"reference"`
	StoreURI  string            `json:"storeURI"`
	Scope     secretref.Scope   `json:"scope"`
	File      string            `json:"file"` // in the volume, unless the class names another
	Badge     explainedBadge    `json:"badge"`
	Vault     explainedVault    `json:"vault"`
	ReadBy    []secretref.Scope `json:"readBy"` // the environment's scopes that may read it; null without an environment
}

type explainedBadge struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

type explainedVault struct {
	Path    string `json:"path"`    // below /v1/
	Version int    `json:"version"` // 0 is the newest
	Unwrap  string `json:"unwrap"`  // where the record's data key is unwrapped
	Login   string `json:"login"`
	Role    string `json:"role"`
	Policy  string `json:"policy"`
}

func (f explainFlags) run(out io.Writer, text string) error {
	ref, refErr := secretref.Parse(text)
	layout, layoutErr := parseLayout(f.layout)
	places, placesErr := place.New(place.Names{})
	var outputErr error
	if f.output != "text" && f.output != "json" {
		outputErr = badInputf("--output: %q is neither %q nor %q", f.output, "text", "json")
	}
	var env environment.Environment
	if f.environment != "" {
		env, places, placesErr = loadVaultEnvironment(f.environment)
	}
	if err := errors.Join(badInput(refErr), layoutErr, outputErr, placesErr); err != nil {
		return err
	}
	if f.environment != "" && env.ID != ref.Scope().Env() {
		return badInputf("%q is of environment %q, and the file's is %q", ref, ref.Scope().Env(), env.ID)
	}
	e := explain(ref, layout, places)
	if f.environment != "" {
		e.ReadBy = readers(env, ref)
	}
	if f.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(e)
	}
	_, err := io.WriteString(out, e.text())
	return err
}

func explain(ref secretref.Reference, layout badge.Layout, places place.Places) explanation {
	scope := ref.Scope()
	b, role := badge.For(layout, scope), badge.Role(scope)
	return explanation{
		Reference: ref.String(),
		StoreURI:  ref.StoreURI(),
		Scope:     scope,
		File:      ref.Path(),
		Badge:     explainedBadge{Namespace: b.Namespace, ServiceAccount: b.ServiceAccount},
		Vault: explainedVault{
			Path: places.Data(ref), Version: ref.Version(), Unwrap: places.Decrypt(),
			Login: places.Login(), Role: role, Policy: role,
		},
	}
}

// readers are env's scopes that may read ref; never nil.
func readers(env environment.Environment, ref secretref.Reference) []secretref.Scope {
	scopes := []secretref.Scope{}
	for _, scope := range env.Scopes() {
		if scope.Grants(ref) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

func (e explanation) text() string {
	version := "the newest version"
	if e.Vault.Version != 0 {
		version = fmt.Sprintf("version %d", e.Vault.Version)
	}
	owner := "workers of this scope"
	if e.Scope.Team() == secretref.WholeTenant {
		owner = fmt.Sprintf("workers of every team of %s/%s", e.Scope.Env(), e.Scope.Tenant())
	}
	rows := [][2]string{
		{"reference", e.Reference},
		{"store URI", e.StoreURI},
		{"scope", e.Scope.String() + ", readable by " + owner},
		{"file in the volume", e.File},
		{"path in Vault", e.Vault.Path + ", " + version},
		{"data key", "unwrapped at " + e.Vault.Unwrap},
		{"badge", "namespace " + e.Badge.Namespace + ", ServiceAccount " + e.Badge.ServiceAccount},
		{"role", e.Vault.Role + ", at " + e.Vault.Login},
		{"policy", e.Vault.Policy},
	}
	if e.ReadBy != nil {
		scopes := make([]string, len(e.ReadBy))
		for i, scope := range e.ReadBy {
			scopes[i] = scope.String()
		}
		text := strings.Join(scopes, ", ")
		if text == "" {
			text = "no worker of this environment"
		}
		rows = append(rows, [2]string{"read here by", text})
	}
	var text strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&text, "%-19s %s\n", row[0], row[1])
	}
	return text.String()
}
