package environment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// reserved are paths where Greentic's deployers keep their own credentials (greentic-deployer, src/credentials/store_paths.rs). No worker
// gets them.
var reserved = []string{"default/_/k8s-deployer/deployer_token", "default/_/aws-deployer/deployer_session"}

var errReserved = errors.New("is where Greentic's deployer keeps its own credential, which no worker gets; name another secret")

// secrets reads the two lists of secrets that are declared by their paths.
func (p *parser) secrets(manifest object) {
	list := manifest.list("secrets")
	p.paths("secrets", list)
	n, given := manifest.given("vault_bootstrap")
	if !given {
		return
	}
	o := p.object("vault_bootstrap", n, "deploy", "namespace", "root_token", "image", "seed")
	if deploy := o.required("deploy"); deploy != "" && deploy != "dev-in-cluster" && deploy != "external" {
		p.faults.Addf("vault_bootstrap.deploy", "is %s; want dev-in-cluster or external", faults.Quote(deploy))
	}
	for _, name := range []string{"namespace", "root_token", "image"} {
		o.filled(name)
	}
	if len(list) > 0 {
		p.faults.Addf("secrets", "stands beside vault_bootstrap; move its entries to vault_bootstrap.seed, which is what reaches Vault")
	}
	if p.env.Backend != Vault {
		p.faults.Addf("vault_bootstrap", "secrets do not come from Vault here; bind %s in packs[], slot secrets, or leave it out", kindVault)
	}
	p.paths("vault_bootstrap.seed", o.list("seed"))
}

func (p *parser) paths(at string, list []node) {
	seen := make(map[string]bool, len(list))
	for i, n := range list {
		o := p.object(fmt.Sprintf("%s[%d]", at, i), n, "path", "from_env")
		o.filled("from_env")
		path := strings.TrimLeft(o.required("path"), "/")
		if path == "" {
			continue
		}
		if seen[path] {
			p.faults.Addf(o.at("path"), "%s stands twice; remove one", faults.Quote(path))
			continue
		}
		seen[path] = true
		ref, err := p.pathReference(path)
		p.faults.Add(o.at("path"), err)
		p.declare(Need{Ref: ref, From: o.at("path")}, nil)
	}
}

// pathReference is the reference of a path <tenant>/<team>/<pack>/<name>, by upstream's rules: the team and the name are written as the
// reader would write them, because a value under another spelling is never found.
func (p *parser) pathReference(path string) (secretref.Reference, error) {
	parts := strings.Split(path, "/")
	if len(parts) != 4 {
		return secretref.Reference{}, fmt.Errorf("%s has %d parts; want <tenant>/<team>/<pack>/<name>", faults.Quote(path), len(parts))
	}
	if strings.EqualFold(strings.TrimSpace(parts[1]), "default") {
		return secretref.Reference{}, fmt.Errorf("%s: the team that means the whole tenant is written %s",
			faults.Quote(path), faults.Quote(secretref.WholeTenant))
	}
	if name := canonicalName(parts[3]); name != parts[3] {
		return secretref.Reference{}, fmt.Errorf("%s: readers look for the name %s; write that", faults.Quote(path), faults.Quote(name))
	}
	if !p.idIsSound() {
		return secretref.Reference{}, nil
	}
	return secretref.Parse("secret://" + p.env.ID + "/" + path)
}

func (p *parser) endpoints(list []node) {
	seen := make(map[string]bool, len(list))
	for i, n := range list {
		at := fmt.Sprintf("messaging_endpoints[%d]", i)
		o := p.object(at, n, "name", "provider_type", "links", "welcome_flow", "secret_refs")
		name := o.required("name")
		if seen[name] && name != "" {
			p.faults.Addf(at+".name", "%s stands twice; an endpoint's name is its own", faults.Quote(name))
		}
		seen[name] = true
		o.required("provider_type")
		links := p.links(o)
		if n, given := o.given("welcome_flow"); given {
			flow := p.object(at+".welcome_flow", n, "bundle_id", "pack_id", "flow_id")
			for _, name := range []string{"bundle_id", "pack_id", "flow_id"} {
				flow.required(name)
			}
		}
		for j, n := range o.list("secret_refs") {
			p.endpointSecret(fmt.Sprintf("%s.secret_refs[%d]", at, j), n, links)
		}
	}
}

// links are the bundles that an endpoint admits; nil is every bundle.
func (p *parser) links(endpoint object) []string {
	var links []string
	for i, n := range endpoint.list("links") {
		at := fmt.Sprintf("%s[%d]", endpoint.at("links"), i)
		bundle := textAt(p.faults, at, n)
		_, declared := p.bundles[bundle]
		switch {
		case n.kind != kindText:
		case !declared:
			p.faults.Addf(at, "%s is not in bundles[]; a manifest that is rendered declares every bundle", faults.Quote(bundle))
		case slices.Contains(links, bundle):
			p.faults.Addf(at, "%s stands twice; remove one", faults.Quote(bundle))
		default:
			links = append(links, bundle)
		}
	}
	return links
}

func (p *parser) endpointSecret(at string, n node, bundles []string) {
	text := textAt(p.faults, at, n)
	if n.kind != kindText {
		return
	}
	ref, err := secretref.Parse(text)
	switch {
	case err != nil:
		p.faults.Add(at, err)
	case p.idIsSound() && ref.Scope().Env() != p.env.ID:
		p.faults.Addf(at, "%s is of environment %s, and this one is %s", faults.Quote(text), faults.Quote(ref.Scope().Env()), faults.Quote(p.env.ID))
	default:
		p.declare(Need{Ref: ref, From: at}, bundles)
	}
}

// declare keeps a need for assign. A zero reference is one whose fault has been told.
func (p *parser) declare(need Need, bundles []string) {
	if need.Ref.IsZero() {
		return
	}
	_, path, _ := strings.Cut(need.Ref.Newest().Key(), "/")
	if slices.Contains(reserved, path) {
		p.faults.Add(need.From, fmt.Errorf("%s %w", faults.Quote(need.Ref.String()), errReserved))
		return
	}
	p.declared = append(p.declared, declared{need: need, bundles: bundles})
}

// canonicalName is how Greentic's readers spell a secret's name (greentic-secrets-spec, uri.rs): lower case, '-', '.', '/' and blanks made
// '_', whatever else is no letter, digit or '_' dropped, runs of '_' made one, none at the ends, and "secret" where nothing is left.
func canonicalName(raw string) string {
	var name strings.Builder
	for _, r := range raw {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_':
			name.WriteRune(r)
		case r >= 'A' && r <= 'Z':
			name.WriteRune(r - 'A' + 'a')
		case r == '-' || r == '.' || r == '/' || r == ' ':
			name.WriteByte('_')
		}
	}
	words := strings.FieldsFunc(name.String(), func(r rune) bool { return r == '_' })
	if len(words) == 0 {
		return "secret"
	}
	return strings.Join(words, "_")
}
