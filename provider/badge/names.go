package badge

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Badge is the Kubernetes identity that proves a scope.
type Badge struct {
	Namespace      string
	ServiceAccount string
}

// String is "<namespace>/<ServiceAccount>".
func (b Badge) String() string { return b.Namespace + "/" + b.ServiceAccount }

// Layout says how scopes are laid out over namespaces.
type Layout string

const (
	// LayoutScope gives each team a namespace of its own; it is the default, and what keeps a namespace's editors to one team.
	LayoutScope Layout = "scope"
	// LayoutEnvironment puts an environment's teams into one namespace, as Greentic's own deployer does.
	LayoutEnvironment Layout = "environment"
)

// longestName is what a namespace may have (RFC 1123 label); the other names keep to it too.
const longestName = 63

// The kinds of name, as they go into a hash.
const (
	kindNamespace      = "namespace"
	kindServiceAccount = "serviceaccount"
	kindRole           = "role"
)

// Namespace is the namespace of a scope's workers under layout.
func Namespace(layout Layout, s secretref.Scope) string {
	parts := []string{s.Env()}
	if layout != LayoutEnvironment && s.Team() != secretref.WholeTenant {
		parts = append(parts, s.Tenant(), s.Team())
	}
	return name(kindNamespace, "gtc-", "--", parts)
}

// ServiceAccount is the name of a scope's ServiceAccount.
func ServiceAccount(s secretref.Scope) string {
	return name(kindServiceAccount, "gtc.", ".", tenantAndTeam(s))
}

// Role is the name of a scope's Vault role, and of its policy.
func Role(s secretref.Scope) string {
	return name(kindRole, "gtc.", ".", append([]string{s.Env()}, tenantAndTeam(s)...))
}

// For is the badge that proves s under layout.
func For(layout Layout, s secretref.Scope) Badge {
	return Badge{Namespace: Namespace(layout, s), ServiceAccount: ServiceAccount(s)}
}

func tenantAndTeam(s secretref.Scope) []string {
	if s.Team() == secretref.WholeTenant {
		return []string{s.Tenant()}
	}
	return []string{s.Tenant(), s.Team()}
}

func name(kind, prefix, separator string, parts []string) string {
	short := prefix + strings.Join(parts, separator)
	if len(short) <= longestName && allPlain(parts) {
		return short
	}
	return prefix + readable(parts) + "---" + hash(kind, parts)
}

func allPlain(parts []string) bool {
	for _, part := range parts {
		if !plain(part) {
			return false
		}
	}
	return true
}

// plain reports whether part is [a-z0-9]+(-[a-z0-9]+)*.
func plain(part string) bool {
	if part == "" || part[0] == '-' || part[len(part)-1] == '-' || strings.Contains(part, "--") {
		return false
	}
	return strings.IndexFunc(part, func(r rune) bool { return r != '-' && !alphanumeric(r) }) < 0
}

func alphanumeric(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

func readable(parts []string) string {
	const most = 20
	words := strings.FieldsFunc(strings.Join(parts, "-"), func(r rune) bool { return !alphanumeric(r) })
	text := strings.Join(words, "-")
	if len(text) > most {
		text = strings.TrimRight(text[:most], "-")
	}
	if text == "" {
		return "x"
	}
	return text
}

func hash(kind string, parts []string) string {
	const kept = 26 // 130 bits: nobody finds two scopes of one name
	sum := sha256.Sum256([]byte(kind + "\n" + strings.Join(parts, "/")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:kept]
}
