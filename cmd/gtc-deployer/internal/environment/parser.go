package environment

import (
	"fmt"
	"io/fs"
	"net/netip"
	"regexp"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// parser walks one manifest. Faults do not stop it.
type parser struct {
	faults   *faults.List
	files    fs.FS
	env      Environment
	bundles  map[string]bool // declared; true if a worker runs it
	archived []Worker        // of bundles that none runs
	declared []declared
	// namespaceAt is where the manifest answers with a namespace of its own.
	namespaceAt string
}

// declared is a secret that something in the manifest asks for.
type declared struct {
	need    Need
	bundles []string // whose workers need it; nil is every worker whose scope grants it
}

func (p *parser) manifest(tree node) {
	o := p.object("", tree, "schema", "environment", "trust_root", "secrets", "packs", "bundles", "extensions",
		"messaging_endpoints", "cluster", "updates", "vault_bootstrap", "sor_units")
	if schema := o.required("schema"); schema != "" && schema != Schema {
		p.faults.Addf("schema", "is %s; want %s", faults.Quote(schema), faults.Quote(Schema))
	}
	p.environment(o)
	p.packs(o.list("packs"))
	p.bundleList(o.list("bundles"))
	p.secrets(o)
	p.endpoints(o.list("messaging_endpoints"))
	p.notOurs(o)
}

func (p *parser) environment(manifest object) {
	n, found := manifest.given("environment")
	if !found {
		p.faults.Addf("environment", "is missing")
		return
	}
	o := p.object("environment", n, "id", "public_base_url", "name", "region", "tenant_org_id", "listen_addr", "gui_enabled",
		"default_bundle")
	p.env.ID = o.required("id")
	if strings.TrimSpace(p.env.ID) != "" {
		p.faults.Add("environment.id", checkID(p.env.ID))
	}
	p.env.TenantOrg = o.filled("tenant_org_id")
	for _, name := range []string{"public_base_url", "name", "region", "default_bundle"} {
		o.text(name)
	}
	o.truth("gui_enabled", false)
	if address := o.text("listen_addr"); address != "" {
		if _, err := netip.ParseAddrPort(address); err != nil {
			p.faults.Addf("environment.listen_addr", "%s is no address with a port, such as 127.0.0.1:8080", faults.Quote(address))
		}
	}
}

// checkID says why no secret could have a reference in the environment, or no object its label. Upstream's own rule is wider (it knows
// capitals), but its store refuses such references.
func checkID(id string) error {
	_, err := secretref.ParseScope(id + "/tenant/_")
	if err != nil {
		return fmt.Errorf("no secret has a reference in it: %w", err)
	}
	return checkLabel(id)
}

// idIsSound reports whether scopes and references can be made; what is wrong with an id that is not has been told.
func (p *parser) idIsSound() bool { return checkID(p.env.ID) == nil }

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// checkLabel says why text cannot be the value of a Kubernetes label, which is where upstream writes environments and bundles.
func checkLabel(text string) error {
	if label.MatchString(text) {
		return nil
	}
	return fmt.Errorf("%s cannot be a Kubernetes label: want at most 63 of A-Z, a-z, 0-9, '.', '_' and '-', with a letter or digit at each end",
		faults.Quote(text))
}

// notOurs checks what belongs to the cluster or to Greentic's own tools, and keeps nothing of it.
func (p *parser) notOurs(o object) {
	if n, found := o.given("trust_root"); found && (n.kind != kindText || n.text != "bootstrap") {
		p.faults.Addf("trust_root", `is %s; want "bootstrap"`, shown(n))
	}
	if n, found := o.given("cluster"); found {
		cluster := p.object("cluster", n, "provider", "name", "kubeconfig_context", "load_images")
		if provider := cluster.required("provider"); provider != "" && provider != "kind" {
			p.faults.Addf("cluster.provider", `is %s; want "kind"`, faults.Quote(provider))
		}
		cluster.required("name")
		cluster.text("kubeconfig_context")
		for i, image := range cluster.texts("load_images") {
			if strings.TrimSpace(image) == "" {
				p.faults.Addf(fmt.Sprintf("cluster.load_images[%d]", i), "is empty")
			}
		}
	}
	p.updates(o)
	p.extensions(o.list("extensions"))
	p.sorUnits(o)
}

func (p *parser) updates(manifest object) {
	n, found := manifest.given("updates")
	if !found {
		return
	}
	o := p.object("updates", n, "plan_endpoint", "trust_did", "enabled", "on_notify", "poll_interval_secs", "push_enabled",
		"stream_endpoint")
	for _, name := range []string{"plan_endpoint", "trust_did", "stream_endpoint"} {
		o.filled(name)
	}
	o.truth("enabled", true)
	o.truth("push_enabled", true)
	const floor, ceiling = 60, 1 << 40
	o.number("poll_interval_secs", floor, ceiling)
	switch action := o.text("on_notify"); action {
	case "", "record-only", "stage", "apply":
	default:
		p.faults.Addf("updates.on_notify", "is %s; want record-only, stage or apply", faults.Quote(action))
	}
}

func (p *parser) extensions(list []node) {
	seen := make(map[[2]string]bool, len(list))
	for i, n := range list {
		path := fmt.Sprintf("extensions[%d]", i)
		o := p.object(path, n, "kind", "pack_ref", "instance_id", "answers_ref")
		kind, err := parseDescriptor(o.required("kind"))
		p.faults.Add(path+".kind", err)
		o.required("pack_ref")
		o.text("answers_ref")
		key := [2]string{kind, o.text("instance_id")}
		if _, given := o.given("instance_id"); given && !instance.MatchString(key[1]) {
			p.faults.Addf(path+".instance_id", "%s: want one or more of a-z, 0-9 and '-'", faults.Quote(key[1]))
		}
		if seen[key] && kind != "" {
			p.faults.Addf(path, "extension %s, instance %s, stands twice; remove one", faults.Quote(key[0]), faults.Quote(key[1]))
		}
		seen[key] = true
	}
}

var instance = regexp.MustCompile(`^[a-z0-9-]+$`)

func (p *parser) sorUnits(manifest object) {
	units, _ := manifest.optionalList("sor_units")
	needed := []string{"unit_id", "sor", "pack_ref", "image", "tenant_id", "answers_ref", "postgres_url_ref", "shared_secret_ref"}
	for i, n := range units {
		o := p.object(fmt.Sprintf("sor_units[%d]", i), n, append([]string{"postgres_ca_ref"}, needed...)...)
		for _, name := range needed {
			o.required(name)
		}
		o.text("postgres_ca_ref")
	}
}
