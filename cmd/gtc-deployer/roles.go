package main

import (
	"errors"
	"slices"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/wiring"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// providerFlags say where the provider's own configuration is, for its rawPaths.
type providerFlags struct{ config, connection string }

// rolesOf is one role for each scope of env; those in leased, and those to which raw gives a lease, are of that kind.
func rolesOf(env environment.Environment, leased []secretref.Scope, raw []badge.PathRule) ([]wiring.Role, error) {
	scopes := env.Scopes()
	roles := make([]wiring.Role, len(scopes))
	for i, scope := range scopes {
		roles[i] = wiring.Role{Scope: scope, Kind: wiring.Static, Raw: raw}
		if slices.Contains(leased, scope) || wiring.NeedsLeases(raw, scope) {
			roles[i].Kind = wiring.Leased
		}
	}
	var faults []error
	for _, scope := range leased {
		if !slices.Contains(scopes, scope) {
			faults = append(faults, badInputf("--leased: %q is no scope of environment %q; it has %q", scope, env.ID, scopes))
		}
	}
	return roles, errors.Join(faults...)
}

func (f *applyFlags) parseLeased() ([]secretref.Scope, error) {
	var scopes []secretref.Scope
	var faults []error
	for _, text := range f.leased {
		scope, err := secretref.ParseScope(text)
		if err != nil {
			faults = append(faults, badInputf("--leased: %w", err))
		}
		scopes = append(scopes, scope)
	}
	return scopes, errors.Join(faults...)
}

func (f providerFlags) rawPaths() ([]badge.PathRule, error) {
	if f.config == "" {
		if f.connection != "" {
			return nil, badInputf("--connection belongs to --provider-config, and there is none")
		}
		return nil, nil
	}
	text, err := readFile("--provider-config", f.config, config.MaxFile)
	if err != nil {
		return nil, err
	}
	rules, err := config.RawPaths(text, f.connection)
	if err != nil {
		return nil, badInputf("--provider-config: %q:\n%w", f.config, err)
	}
	return rules, nil
}
