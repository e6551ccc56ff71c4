package wiring

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Method is how Vault proves a pod's token: Kubernetes or JWT.
type Method interface {
	// mount is the type of the auth mount.
	mount() string
	// check finds faults that need no Vault to be seen.
	check() error
	// config says what the mount's configuration must be, given what is there (nil if nothing is); a nil map leaves it alone.
	config(current map[string]any) (setting, error)
	// bind is the part of a role that ties it to one badge and one audience.
	bind(b badge.Badge, audience string) map[string]any
}

// setting is an auth mount's configuration.
type setting struct {
	write   map[string]any // the whole configuration; nil leaves what is there
	compare map[string]any // what of it can be read back
	force   bool           // write although nothing that can be read differs
	note    string         // what a reader should know
	refused string         // what to look at where Vault refuses the write; "" where the refusal says it
}

// OwnCluster is the API server as pods of the same cluster reach it.
const OwnCluster = "https://kubernetes.default.svc"

// Kubernetes asks the cluster's API server (TokenReview) about each token. The zero value leaves a configuration that is there as it
// is, and writes one for a Vault that runs in the cluster where there is none.
type Kubernetes struct {
	Host          string       // the API server's URL; "" is OwnCluster
	CACert        string       // PEM of its authority; "" is the one that Vault's own pod has, or the system's
	ReviewerToken secret.Value // a token that may create TokenReviews; empty uses the token of Vault's own pod
	Renew         bool         // write ReviewerToken even if Vault has one: it never shows which
}

func (k Kubernetes) mount() string { return "kubernetes" }

func (k Kubernetes) given() bool {
	return k.Host != "" || k.CACert != "" || !k.ReviewerToken.IsEmpty()
}

func (k Kubernetes) check() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if k.Host != "" {
		if err := checkURL(k.Host); err != nil {
			fault("cluster host: %w", err)
		}
	}
	if k.CACert != "" {
		if err := checkCertificates(k.CACert); err != nil {
			fault("cluster ca: %w", err)
		}
	}
	if token := k.ReviewerToken.RevealString(); strings.Count(token, ".") != 2 && token != "" || strings.ContainsFunc(token, notPrintable) {
		fault("reviewer token: it is not one JSON Web Token: is it the right file?")
	}
	if k.Renew && k.ReviewerToken.IsEmpty() {
		fault("reviewer token: there is none to write")
	}
	return errors.Join(faults...)
}

func (k Kubernetes) config(current map[string]any) (setting, error) {
	if current != nil && !k.given() {
		return setting{note: "no cluster named"}, nil
	}
	own := k.ReviewerToken.IsEmpty() // Vault's own pod's token serves
	hasToken, told := current["token_reviewer_jwt_set"].(bool)
	if hasToken && own {
		return setting{}, fmt.Errorf("%w: it has a reviewer token, which writing this configuration would remove: "+
			"name the token's file again, or leave the cluster's flags out to keep the configuration", ErrForeign)
	}
	host := k.Host
	if host == "" {
		host = OwnCluster
	}
	compare := map[string]any{
		"kubernetes_host":        host,
		"kubernetes_ca_cert":     k.CACert,
		"pem_keys":               []string{},
		"disable_local_ca_jwt":   !own,
		"disable_iss_validation": true,
	}
	write := maps.Clone(compare)
	s := setting{
		write: write, compare: compare, force: k.Renew,
		refused: "does this Vault run in the cluster, with a ServiceAccount of its own? If not, name the cluster: " +
			"--kubeconfig, or --cluster-host and --cluster-ca, and a --reviewer-token-file",
	}
	if !own {
		write["token_reviewer_jwt"] = k.ReviewerToken.RevealString()
		// Vault shows only that there is one, and older ones not even that.
		if told {
			compare["token_reviewer_jwt_set"] = true
		}
		s.note = "Vault does not show its reviewer token, so a changed one cannot be seen"
	}
	return s, nil
}

func (k Kubernetes) bind(b badge.Badge, audience string) map[string]any {
	return map[string]any{
		"bound_service_account_names":              []string{b.ServiceAccount},
		"bound_service_account_namespaces":         []string{b.Namespace},
		"bound_service_account_namespace_selector": "",
		"audience": audience,
	}
}

// JWT checks each token's signature against keys that it was given or that it discovers; it never calls the API server, so a token is
// good until it expires, whatever became of its pod. The zero value leaves a configuration that is there as it is.
type JWT struct {
	Keys         string // PEM public keys of the cluster's ServiceAccount issuer
	DiscoveryURL string // or the issuer's URL, from which Vault fetches them; exactly one of the two
	DiscoveryCA  string // PEM of the authority behind DiscoveryURL; "" is the system's
	Issuer       string // the "iss" that tokens must have; "" does not look with Keys
}

func (j JWT) mount() string { return "jwt" }

func (j JWT) given() bool { return j != JWT{} }

func (j JWT) check() error {
	if !j.given() {
		return nil
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if (j.Keys == "") == (j.DiscoveryURL == "") {
		fault("jwt keys: exactly one of public keys and a discovery URL is needed")
	}
	if j.Keys != "" {
		if _, err := publicKeys(j.Keys); err != nil {
			fault("jwt keys: %w", err)
		}
	}
	if j.DiscoveryURL != "" {
		if err := checkURL(j.DiscoveryURL); err != nil {
			fault("oidc discovery url: %w", err)
		}
	}
	if j.DiscoveryCA != "" {
		if err := checkCertificates(j.DiscoveryCA); err != nil {
			fault("oidc discovery ca: %w", err)
		}
		if j.DiscoveryURL == "" {
			fault("oidc discovery ca: there is no discovery URL to use it for")
		}
	}
	return errors.Join(faults...)
}

func (j JWT) config(current map[string]any) (setting, error) {
	switch {
	case j.given():
	case current != nil:
		return setting{note: "no keys named"}, nil
	default:
		return setting{}, fmt.Errorf("%w: jwt keys: the auth mount has no configuration yet: give public keys or a discovery URL", ErrInvalid)
	}
	keys := []string{}
	if j.Keys != "" {
		var err error
		if keys, err = publicKeys(j.Keys); err != nil {
			return setting{}, err
		}
	}
	write := map[string]any{
		"jwt_validation_pubkeys": keys,
		"oidc_discovery_url":     j.DiscoveryURL,
		"oidc_discovery_ca_pem":  j.DiscoveryCA,
		"bound_issuer":           j.Issuer,
		"jwks_url":               "",
	}
	return setting{
		write: write, compare: write,
		refused: "does Vault reach the discovery URL, and trust its certificate?",
	}, nil
}

// The claims of a Kubernetes token that name its ServiceAccount, as JSON pointers, and the metadata names under which the kubernetes
// method shows them; the provider compares those with the pod.
const (
	namespaceClaim      = "/kubernetes.io/namespace"
	serviceAccountClaim = "/kubernetes.io/serviceaccount/name"
)

func (j JWT) bind(b badge.Badge, audience string) map[string]any {
	return map[string]any{
		"role_type":         "jwt",
		"user_claim":        "sub",
		"bound_audiences":   []string{audience},
		"bound_subject":     "system:serviceaccount:" + b.Namespace + ":" + b.ServiceAccount,
		"bound_claims_type": "string",
		"bound_claims":      map[string]any{namespaceClaim: b.Namespace, serviceAccountClaim: b.ServiceAccount},
		"claim_mappings":    map[string]any{namespaceClaim: "service_account_namespace", serviceAccountClaim: "service_account_name"},
	}
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not http(s)://HOST[:PORT][/PATH]", text)
	}
	return nil
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }
