package wiring

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// What can be wrong; errors.Is tells.
var (
	// ErrInvalid is a Spec that no Vault could satisfy.
	ErrInvalid = errors.New("invalid wiring")
	// ErrForeign is something in Vault that stands where the wiring's must and that a write could not turn into it.
	ErrForeign = errors.New("vault holds something else there")
)

// Lifetime is how long a worker's Vault token lives, and the period of a leased one, in seconds.
const Lifetime = 20 * 60

// AuditedHeader is the header by which a request of the provider names its pod.
const AuditedHeader = "X-Greentic-Pod"

// Kind says what a scope's tokens can do besides reading.
type Kind int

const (
	// Static roles give batch tokens: nothing to renew, nothing to revoke, nothing kept by Vault. Enough for records.
	Static Kind = iota
	// Leased roles give periodic service tokens that may renew and revoke themselves and renew leases: leases die with their token.
	Leased
)

// Role is one scope to wire.
type Role struct {
	Scope secretref.Scope
	Kind  Kind
	Raw   []badge.PathRule // raw paths that the provider's configuration grants; those of them that are the scope's go into its policy
}

// Name is the name of the role in Vault, and of its policy.
func (r Role) Name() string { return badge.Role(r.Scope) }

// Spec is what Vault must hold.
type Spec struct {
	Places   place.Places
	Method   Method       // Kubernetes or JWT
	Audience string       // whom the pods' tokens are for; never the API server's own audience
	Layout   badge.Layout // "" is badge.LayoutScope
	Roles    []Role       // one per scope
}

func (s Spec) check() error {
	var faults []error
	if s.Places == (place.Places{}) {
		faults = append(faults, fmt.Errorf("%w: places: none", ErrInvalid))
	}
	if s.Audience == "" || strings.ContainsFunc(s.Audience, func(r rune) bool { return r <= ' ' || r > '~' }) {
		faults = append(faults, fmt.Errorf("%w: audience: %q: it is never empty and holds printable ASCII without spaces", ErrInvalid, s.Audience))
	}
	if _, err := badge.NewNaming(s.Layout); err != nil {
		faults = append(faults, err)
	}
	if s.Method == nil {
		faults = append(faults, fmt.Errorf("%w: method: none", ErrInvalid))
	} else if err := s.Method.check(); err != nil {
		faults = append(faults, err)
	}
	seen := map[secretref.Scope]bool{}
	for i, role := range s.Roles {
		if role.Scope.IsZero() || seen[role.Scope] {
			faults = append(faults, fmt.Errorf("%w: roles[%d]: scope %q is empty or listed twice", ErrInvalid, i, role.Scope))
		}
		seen[role.Scope] = true
	}
	return errors.Join(faults...)
}

// Policy is the text of r's policy: read on the scope's records and the tenant's, update on transit's decrypt, for a leased role what
// keeps its own token and leases alive, and its raw paths. No write else, no list.
func Policy(p place.Places, r Role) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Scope %s. Written by gtc-deployer; `gtc-deployer vault apply` undoes edits.\n", r.Scope)
	allow := func(path string, capabilities ...string) {
		fmt.Fprintf(&text, "path %q {\n  capabilities = [\"%s\"]\n}\n", path, strings.Join(capabilities, `", "`))
	}
	// Neither a scope's segments nor place.Places can hold "*" or "+", so the one star here is the one meant.
	allow(p.Below(r.Scope)+"*", "read")
	if tenant := r.Scope.WholeTenant(); tenant != r.Scope {
		allow(p.Below(tenant)+"*", "read")
	}
	allow(p.Decrypt(), "update")
	if r.Kind == Leased {
		allow("auth/token/renew-self", "update")
		allow("auth/token/revoke-self", "update")
		allow("sys/leases/renew", "update")
	}
	for _, path := range r.rawPaths() {
		allow(path.path, path.capabilities...)
	}
	return text.String()
}

// rawPath is a path of a policy with what it allows.
type rawPath struct {
	path         string
	capabilities []string
}

// rawPaths are r's raw paths as a policy has them, each once: "+" is any one segment there.
func (r Role) rawPaths() []rawPath {
	var paths []rawPath
	for _, rule := range r.Raw {
		granted, capability := strings.ReplaceAll(rule.PathFor(r.Scope), "*", "+"), "read"
		if rule.Write {
			capability = "update"
		}
		at := slices.IndexFunc(paths, func(p rawPath) bool { return p.path == granted })
		switch {
		case granted == "":
		case at < 0:
			paths = append(paths, rawPath{granted, []string{capability}})
		case !slices.Contains(paths[at].capabilities, capability):
			paths[at].capabilities = append(paths[at].capabilities, capability)
		}
	}
	return paths
}

// NeedsLeases reports whether one of rules gives the scope something that is leased, which only a Leased role carries.
func NeedsLeases(rules []badge.PathRule, s secretref.Scope) bool {
	return slices.ContainsFunc(rules, func(r badge.PathRule) bool { return r.Kind == badge.KindLease && r.PathFor(s) != "" })
}

// role is the whole role as Vault stores it; fields that differ from these are drift.
func (s Spec) role(r Role) map[string]any {
	fields := s.Method.bind(badge.For(s.Layout, r.Scope), s.Audience)
	fields["token_policies"] = []string{r.Name()}
	fields["token_no_default_policy"] = true
	fields["token_ttl"] = Lifetime
	fields["token_explicit_max_ttl"] = 0
	fields["token_num_uses"] = 0
	switch r.Kind {
	case Static:
		fields["token_type"] = "batch"
		fields["token_max_ttl"] = Lifetime
		fields["token_period"] = 0
	case Leased:
		fields["token_type"] = "service"
		fields["token_max_ttl"] = 0
		fields["token_period"] = Lifetime
	}
	return fields
}
