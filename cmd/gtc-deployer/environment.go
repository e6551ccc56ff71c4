package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

func environmentFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "environment", "", "environment `FILE` (greentic.env-manifest.v1, JSON or YAML)")
}

func layoutFlag(cmd *cobra.Command, layout *string) {
	cmd.Flags().StringVar(layout, "layout", string(badge.LayoutScope),
		"how scopes are laid out over namespaces: scope (one each) or environment (one for all)")
}

// parseLayout checks --layout.
func parseLayout(text string) (badge.Layout, error) {
	layout := badge.Layout(text)
	if layout == "" {
		return "", badInputf("--layout: it is %q or %q", badge.LayoutScope, badge.LayoutEnvironment)
	}
	if _, err := badge.NewNaming(layout); err != nil {
		return "", badInputf("--%w", err)
	}
	return layout, nil
}

// loadEnvironment reads the file that --environment names.
func loadEnvironment(path string) (environment.Environment, error) {
	if path == "" {
		return environment.Environment{}, badInputf("--environment is missing: name the environment file (greentic.env-manifest.v1)")
	}
	env, err := environment.Load(path)
	return env, badInput(err)
}

// loadVaultEnvironment is loadEnvironment for commands that make no sense without Vault.
func loadVaultEnvironment(path string) (environment.Environment, place.Places, error) {
	env, err := loadEnvironment(path)
	if err != nil {
		return environment.Environment{}, place.Places{}, err
	}
	if env.Backend != environment.Vault {
		return environment.Environment{}, place.Places{}, badInputf("environment %q keeps its secrets in a %s: "+
			"bind greentic.secrets.vault to the slot \"secrets\" in packs[], or leave this command out", env.ID, env.Backend)
	}
	places, err := place.New(place.Names{
		KVMount: env.Vault.KVMount, KVPrefix: env.Vault.KVPrefix,
		TransitMount: env.Vault.TransitMount, TransitKey: env.Vault.TransitKey, AuthMount: env.Vault.AuthMount,
	})
	if err != nil {
		return environment.Environment{}, place.Places{}, badInput(fmt.Errorf("environment %q, slot \"secrets\": %w", env.ID, err))
	}
	return env, places, nil
}

// readFile reads a file that flag names, of at most limit bytes.
func readFile(flag, path string, limit int64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, badInput(fmt.Errorf("%s: %w", flag, err))
	}
	defer func() { _ = file.Close() }()
	text, err := readAll(file, limit)
	if err != nil {
		return nil, badInput(fmt.Errorf("%s: %q: %w", flag, path, err))
	}
	return text, nil
}

var errTooLong = errors.New("it is too long")

func readAll(from io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLong, limit)
	}
	return text, nil
}
