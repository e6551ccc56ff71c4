package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// document is the configuration as it is written.
type document struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Layout     string            `yaml:"layout"`
	Vaults     []vaultDocument   `yaml:"vaults"`
	Refresh    refreshDocument   `yaml:"refresh"`
	Badges     []badgeDocument   `yaml:"badges"`
	RawPaths   []rawPathDocument `yaml:"rawPaths"`
}

type vaultDocument struct {
	Name         string   `yaml:"name"`
	Addresses    []string `yaml:"addresses"`
	Namespace    string   `yaml:"namespace"`
	AuthMethod   string   `yaml:"authMethod"`
	AuthMount    string   `yaml:"authMount"`
	Audience     string   `yaml:"audience"`
	CACert       string   `yaml:"caCert"`
	CACertFile   string   `yaml:"caCertFile"`
	KVMount      string   `yaml:"kvMount"`
	KVPrefix     string   `yaml:"kvPrefix"`
	TransitMount string   `yaml:"transitMount"`
	TransitKey   string   `yaml:"transitKey"`
	Scopes       []string `yaml:"scopes"`
}

type badgeDocument struct {
	Namespace      string `yaml:"namespace"`
	ServiceAccount string `yaml:"serviceAccount"`
	Scope          string `yaml:"scope"`
}

// Parse reads a configuration. readFile reads what a caCertFile names. All faults are reported at once, each an ErrInvalid at its field
// path.
func Parse(text []byte, readFile func(path string) ([]byte, error)) (Config, error) {
	p := parser{readFile: readFile, faults: faults.Of(ErrInvalid)}
	doc := p.decode(text)
	if doc == nil {
		return Config{}, p.faults.Err()
	}
	p.header(*doc)
	c := Config{Naming: p.naming(*doc), Refresh: p.refresh(doc.Refresh)}
	for i, v := range doc.Vaults {
		c.Vaults = append(c.Vaults, p.vault(fmt.Sprintf("vaults[%d]", i), v))
	}
	p.unique(c.Vaults)
	p.rawPaths(doc.RawPaths, c.Vaults)
	if err := p.faults.Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// parser gathers what is wrong.
type parser struct {
	readFile func(string) ([]byte, error)
	faults   *faults.List
}

// fault says with each fault what is invalid: it stands among other lines in the provider's log.
func (p *parser) fault(path, format string, args ...any) {
	p.faults.Addf(path, "%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

// decode returns nil if there is nothing that could be looked at further.
func (p *parser) decode(text []byte) *document {
	if len(text) > MaxFile {
		p.fault("file", "it has more than %d bytes", MaxFile)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var doc document
	var typed *yaml.TypeError
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.fault("file", "it is empty; it begins with apiVersion: %s and kind: %s", APIVersion, Kind)
		return nil
	case errors.As(err, &typed):
		for _, text := range typed.Errors {
			// The library names the Go type, which tells an operator nothing.
			what, _, _ := strings.Cut(text, " in type ")
			what, _, _ = strings.Cut(what, " into config.")
			p.fault("file", "%s", what)
		}
	case err != nil:
		p.fault("file", "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		p.fault("file", `it holds more than one YAML document; remove the "---"`)
	}
	return &doc
}

func (p *parser) header(doc document) {
	if doc.APIVersion != APIVersion {
		p.fault("apiVersion", "%q is not %q, the only version there is", doc.APIVersion, APIVersion)
	}
	if doc.Kind != Kind {
		p.fault("kind", "%q is not %q", doc.Kind, Kind)
	}
	if len(doc.Vaults) == 0 {
		p.fault("vaults", "there is none; name at least one connection")
	}
}

func (p *parser) naming(doc document) badge.Naming {
	rules := make([]badge.Rule, len(doc.Badges))
	for i, b := range doc.Badges {
		rules[i].Badge = badge.Badge{Namespace: b.Namespace, ServiceAccount: b.ServiceAccount}
		if b.Scope == "" {
			continue // NewNaming says so
		}
		scope, err := secretref.ParseScope(b.Scope)
		if err != nil {
			p.fault(fmt.Sprintf("badges[%d].scope", i), "%w", err)
			scope = secretref.MustParseScope("x/x/x") // stands in, so that the rule's other faults are found
		}
		rules[i].Scope = scope
	}
	naming, err := badge.NewNaming(badge.Layout(doc.Layout), rules...)
	if err != nil {
		p.faults.Addf("", "%w: %w", ErrInvalid, err) // it has its paths
	}
	return naming
}

func (p *parser) unique(vaults []Vault) {
	names, audiences := map[string]int{}, map[string]int{}
	for i, v := range vaults {
		if first, taken := names[v.Name]; taken && v.Name != "" {
			p.fault(fmt.Sprintf("vaults[%d].name", i), "%q is the name of vaults[%d] already", v.Name, first)
		} else if !taken {
			names[v.Name] = i
		}
		if first, taken := audiences[v.Audience]; taken && v.Audience != "" {
			p.fault(fmt.Sprintf("vaults[%d].audience", i),
				"%q is the audience of vaults[%d] already; a token that one Vault is shown must open nothing at another", v.Audience, first)
		} else if !taken {
			audiences[v.Audience] = i
		}
	}
}
