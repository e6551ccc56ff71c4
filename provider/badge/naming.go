package badge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrNaming is what NewNaming and ParsePattern refuse with.
var ErrNaming = errors.New("invalid badge naming")

// Rule is an operator's own naming: this badge proves this scope, whatever its name would compute to.
type Rule struct {
	Badge Badge
	Scope secretref.Scope
}

// Naming says which scope a badge proves. The zero value is LayoutScope without rules.
type Naming struct {
	layout Layout
	rules  map[Badge]secretref.Scope
}

// NewNaming checks layout and rules; an empty layout is LayoutScope. A badge has at most one rule. All faults are reported at once.
func NewNaming(layout Layout, rules ...Rule) (Naming, error) {
	var faults []error
	switch layout {
	case "":
		layout = LayoutScope
	case LayoutScope, LayoutEnvironment:
	default:
		faults = append(faults, fmt.Errorf("layout: %w: %q is neither %q nor %q", ErrNaming, string(layout), LayoutScope, LayoutEnvironment))
	}
	byBadge := make(map[Badge]secretref.Scope, len(rules))
	for i, rule := range rules {
		_, twice := byBadge[rule.Badge]
		switch {
		case rule.Badge.Namespace == "" || rule.Badge.ServiceAccount == "" || rule.Scope.IsZero():
			faults = append(faults, fmt.Errorf("badges[%d]: %w: namespace, serviceAccount and scope are all needed", i, ErrNaming))
		case twice:
			faults = append(faults, fmt.Errorf("badges[%d]: %w: %q has a rule already, and a badge proves one scope", i, ErrNaming, rule.Badge))
		}
		byBadge[rule.Badge] = rule.Scope
	}
	if len(faults) > 0 {
		return Naming{}, errors.Join(faults...)
	}
	return Naming{layout: layout, rules: byBadge}, nil
}

// Expected is the badge that computes from s.
func (n Naming) Expected(s secretref.Scope) Badge { return For(n.layout, s) }

// Proves reports whether b proves s: by its rule if it has one, and otherwise by its computed name.
func (n Naming) Proves(b Badge, s secretref.Scope) bool {
	if s.IsZero() {
		return false
	}
	if scope, ok := n.rules[b]; ok {
		return scope == s
	}
	return b == For(n.layout, s)
}

// Pattern matches scopes: each part is a literal or "*". The zero value matches nothing.
type Pattern struct{ env, tenant, team string }

const anything = "*"

// ParsePattern reads <env>/<tenant>/<team>, each "*" or a legal segment.
func ParsePattern(text string) (Pattern, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return Pattern{}, fmt.Errorf("%w: scope pattern %q: want <env>/<tenant>/<team>, each a literal or *", ErrNaming, text)
	}
	// A literal obeys the grammar of a scope: put something legal where a star stands and let the grammar judge the rest.
	literal := make([]string, len(parts))
	for i, part := range parts {
		literal[i] = part
		if part == anything {
			literal[i] = "x"
		}
	}
	scope, err := secretref.ParseScope(strings.Join(literal, "/"))
	if err != nil {
		return Pattern{}, fmt.Errorf("%w: scope pattern %q: %w", ErrNaming, text, errors.Unwrap(err))
	}
	p := Pattern{env: parts[0], tenant: parts[1], team: parts[2]}
	if p.team != anything {
		p.team = scope.Team()
	}
	return p, nil
}

// Matches reports whether s is one of the scopes that p stands for.
func (p Pattern) Matches(s secretref.Scope) bool {
	match := func(pattern, part string) bool { return pattern == anything || pattern == part }
	return !s.IsZero() && match(p.env, s.Env()) && match(p.tenant, s.Tenant()) && match(p.team, s.Team())
}

// String is the pattern as it is written.
func (p Pattern) String() string { return p.env + "/" + p.tenant + "/" + p.team }
