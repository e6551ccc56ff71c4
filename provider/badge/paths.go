package badge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Kind is what Vault answers on a raw path.
type Kind string

// The kinds.
const (
	KindValue       Kind = "value"       // something that may be read again and again
	KindLease       Kind = "lease"       // a credential with a lease, made for one pod and renewed while it is there
	KindCertificate Kind = "certificate" // a certificate, made for one pod and replaced by its own life
)

// PathRule is what an operator grants on raw paths.
type PathRule struct {
	Pattern rawpath.Pattern
	Kind    Kind
	Write   bool      // Vault is written to, with what is sent; else it is read
	Args    []string  // the names of what may be sent with it
	Scopes  []Pattern // whom it is for; nil is every scope
}

// PathFor is what r grants a scope, "*" standing for any one segment; "" is nothing.
func (r PathRule) PathFor(s secretref.Scope) string {
	segments, ok := r.Pattern.For(s, Role(s))
	if !ok || !r.serves(s) {
		return ""
	}
	return strings.Join(segments, "/")
}

func (r PathRule) serves(s secretref.Scope) bool {
	return r.Scopes == nil || slices.ContainsFunc(r.Scopes, func(p Pattern) bool { return p.Matches(s) })
}

// Path is a raw path that a pod may have. Only Admit makes one that is not zero. It is comparable.
type Path struct {
	request rawpath.Request
	kind    Kind
	write   bool
}

// Request is the path and what is sent with it.
func (p Path) Request() rawpath.Request { return p.request }

// Kind is what Vault answers there, as the operator says.
func (p Path) Kind() Kind { return p.kind }

// IsWrite reports whether Vault is written to, and not read.
func (p Path) IsWrite() bool { return p.write }

// IsHeld reports whether what Vault answers is one pod's alone and lasts: a lease or a certificate.
func (p Path) IsHeld() bool { return p.kind == KindLease || p.kind == KindCertificate }

// IsZero reports whether nothing was granted.
func (p Path) IsZero() bool { return p.request.IsZero() }

// grantPath decides what the object i asks for, by the first rule whose pattern the path matches.
func (c Claim) grantPath(i int, asked rawpath.Request) (Path, []error) {
	role := Role(c.Scope)
	for _, rule := range c.Paths {
		if !rule.serves(c.Scope) || !rule.Pattern.Matches(asked, c.Scope, role) {
			continue
		}
		if faults := rule.argFaults(i, asked); len(faults) > 0 {
			return Path{}, faults
		}
		return Path{request: asked, kind: rule.Kind, write: rule.Write}, nil
	}
	return Path{}, []error{deny(ReasonPath, "objects[%d].path: %q is none of the raw paths that the provider's configuration grants "+
		"the scope %q on this connection (%s); name one of them, or ask the provider's operator to add it to rawPaths",
		i, asked.Path(), c.Scope, c.grantable())}
}

func (r PathRule) argFaults(i int, asked rawpath.Request) []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(asked.Args())) {
		if !slices.Contains(r.Args, name) {
			faults = append(faults, deny(ReasonPath, "objects[%d].args: %q may not be sent to %q (%s); leave it out, "+
				"or ask the provider's operator to add it to the args of %q", i, name, asked.Path(), sendable(r.Args), r.Pattern))
		}
	}
	return faults
}

func sendable(names []string) string {
	if len(names) == 0 {
		return "nothing may"
	}
	return "what may: " + strings.Join(names, ", ")
}

// grantable are the paths that the scope could have, for whoever asked for another.
func (c Claim) grantable() string {
	var paths []string
	for _, rule := range c.Paths {
		if path := rule.PathFor(c.Scope); path != "" {
			paths = append(paths, fmt.Sprintf("%q", path))
		}
	}
	if len(paths) == 0 {
		return "there is none"
	}
	return strings.Join(paths, ", ")
}
