package environment

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// vaultAnswers reads the answers of greentic.secrets.vault. As upstream, they are trimmed and blank ones are missing; unlike upstream, an
// answer that nobody knows is a fault, because a misspelled mount would be read as the default one.
func (p *parser) vaultAnswers(at string, answers node) {
	o := p.object(at, answers, "addr", "role", "kv_mount", "kv_prefix", "auth_mount", "transit_mount", "transit_key", "namespace")
	answer := func(name, otherwise string) string {
		if text := strings.TrimSpace(o.text(name)); text != "" {
			return text
		}
		return otherwise
	}
	place := func(name, otherwise string) string {
		text := strings.Trim(answer(name, otherwise), "/")
		if !vaultPath.MatchString(text) || hasDots(text) {
			p.faults.Addf(o.at(name), "%s is no path in Vault: want parts of A-Z, a-z, 0-9, '.', '_' and '-', with '/' between them", faults.Quote(text))
		}
		return text
	}
	for _, name := range []string{"addr", "role"} {
		if answer(name, "") == "" {
			p.faults.Addf(o.at(name), "is missing")
		}
	}
	p.env.Vault = VaultBinding{
		Address:      strings.TrimRight(answer("addr", ""), "/"),
		Role:         answer("role", ""),
		KVMount:      place("kv_mount", "secret"),
		KVPrefix:     place("kv_prefix", "greentic"),
		AuthMount:    place("auth_mount", "kubernetes"),
		TransitMount: place("transit_mount", "transit"),
		TransitKey:   place("transit_key", "greentic"),
		Namespace:    strings.Trim(answer("namespace", ""), "/"),
	}
	if p.env.Vault.Namespace != "" {
		place("namespace", "")
	}
	if strings.Contains(p.env.Vault.TransitKey, "/") {
		p.faults.Addf(o.at("transit_key"), "%s is the name of one key and holds no '/'", faults.Quote(p.env.Vault.TransitKey))
	}
	if p.env.Vault.Address != "" && !isOrigin(p.env.Vault.Address) {
		p.faults.Addf(o.at("addr"), "is no address: want http:// or https://, a host and perhaps a port, and nothing after it")
	}
}

var vaultPath = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

func hasDots(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "." || strings.HasPrefix(part, "..") })
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil &&
		u.Path == "" && u.RawQuery == "" && u.Fragment == "" && !strings.ContainsAny(text, "?#")
}

// The answers of greentic.deployer.k8s. The router's and the client's are not about workers; what is in neither list is a fault, because
// a worker without it would not be the one that its author asked for.
var (
	workerAnswers = []string{"namespace", "runtime_image", "init_image", "tunnel", "oci_insecure_registries"}
	othersAnswers = []string{
		"kubeconfig_context", "router_replicas", "service_type", "ingress_host", "ingress_class", "ingress_tls_secret",
		"ingress_cert_manager_issuer",
	}
)

func (p *parser) deployerPack(kind, from string, answers node) {
	if kind != kindKubernetes || from == "" {
		return
	}
	o := p.object(from, answers, slices.Concat(workerAnswers, othersAnswers)...)
	p.env.Runtime = Runtime{
		Namespace:          o.text("namespace"),
		Image:              p.image(o, "runtime_image"),
		InitImage:          p.image(o, "init_image"),
		InsecureRegistries: o.registries(),
	}
	switch tunnel := o.text("tunnel"); tunnel {
	case "", "off":
	case "cloudflared":
		p.env.Runtime.Cloudflared = true
	default:
		p.faults.Addf(o.at("tunnel"), "is %s; want off or cloudflared", faults.Quote(tunnel))
	}
	p.namespaceAt = o.at("namespace")
}

// checkNamespace judges the manifest's own namespace when the backend is known.
func (p *parser) checkNamespace() {
	namespace := p.env.Runtime.Namespace
	switch {
	case namespace == "":
	case p.env.Backend == Vault:
		p.faults.Addf(p.namespaceAt, "%s: with secrets from Vault a worker's namespace is computed from its scope, because it is half of its badge; "+
			"leave the answer out", faults.Quote(namespace))
	case !dnsLabel.MatchString(namespace):
		p.faults.Addf(p.namespaceAt, "%s is no namespace: want at most 63 of a-z, 0-9 and '-', with a letter or digit at each end",
			faults.Quote(namespace))
	}
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (p *parser) image(o object, name string) string {
	image := o.text(name)
	if image != "" && !imageName.MatchString(image) {
		p.faults.Addf(o.at(name), "%s is no image: want only a-z, 0-9, '.', '-', '_', '/', ':' and '@'", faults.Quote(image))
	}
	return image
}

var imageName = regexp.MustCompile(`^[a-z0-9.\-_/:@]+$`)

func (o object) registries() []string {
	if _, given := o.given("oci_insecure_registries"); !given {
		return nil
	}
	registries := o.texts("oci_insecure_registries")
	for i, registry := range registries {
		if registry != "" && !authority.MatchString(registry) {
			o.faults.Addf(fmt.Sprintf("%s[%d]", o.at("oci_insecure_registries"), i), "%s is no registry: want a host and perhaps a port",
				faults.Quote(registry))
		}
	}
	return registries
}

var authority = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)
