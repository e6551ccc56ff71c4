package secretref

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// MaxSegment is the longest segment, in bytes.
const MaxSegment = 128

// WholeTenant is the team that means every team of the tenant.
const WholeTenant = "_"

const (
	scheme      = "secret://"
	storeScheme = "secrets://"
)

// Reference names one secret. Only Parse and the methods of this package make one, so a Reference that is not zero is valid.
// References are comparable. The zero value names nothing; see IsZero.
type Reference struct {
	scope          Scope
	category, name string
	version        int
}

// Scope is <env>/<tenant>/<team>: what a worker is locked to. Only ParseScope and Reference.Scope make one. Scopes are comparable;
// the zero value is no scope.
type Scope struct {
	env, tenant, team string
}

// Parse reads a reference in either scheme. The error is one of this package's, with the offending text quoted.
func Parse(text string) (Reference, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	if !ok {
		rest, ok = strings.CutPrefix(text, storeScheme)
	}
	if !ok {
		return Reference{}, fmt.Errorf("reference %s: %w", faults.Quote(text), ErrScheme)
	}
	parts := strings.SplitN(rest, "/", 7)
	if len(parts) != 5 {
		return Reference{}, fmt.Errorf("reference %s: %w", faults.Quote(text), ErrSegments)
	}
	name, version, err := cutVersion(parts[4])
	if err != nil {
		return Reference{}, fmt.Errorf("reference %s: version: %w", faults.Quote(text), err)
	}
	scope, err := scopeOf(parts[:3])
	if err != nil {
		return Reference{}, fmt.Errorf("reference %s: %w", faults.Quote(text), err)
	}
	if err := segment("category", parts[3]); err != nil {
		return Reference{}, fmt.Errorf("reference %s: %w", faults.Quote(text), err)
	}
	if err := segment("name", name); err != nil {
		return Reference{}, fmt.Errorf("reference %s: %w", faults.Quote(text), err)
	}
	return Reference{scope: scope, category: parts[3], name: name, version: version}, nil
}

// constant is a type that only an untyped constant converts to without being named, so MustParse can never see user input.
type constant string

// MustParse is Parse for references written in the program's text; it panics where Parse fails.
func MustParse(text constant) Reference {
	r, err := Parse(string(text))
	if err != nil {
		panic(err)
	}
	return r
}

// ParseScope reads <env>/<tenant>/<team>. The error is one of this package's, with the offending text quoted.
func ParseScope(text string) (Scope, error) {
	parts := strings.SplitN(text, "/", 5)
	if len(parts) != 3 {
		return Scope{}, fmt.Errorf("scope %s: %w", faults.Quote(text), ErrScope)
	}
	scope, err := scopeOf(parts)
	if err != nil {
		return Scope{}, fmt.Errorf("scope %s: %w", faults.Quote(text), err)
	}
	return scope, nil
}

// MustParseScope is ParseScope for scopes written in the program's text; it panics where ParseScope fails.
func MustParseScope(text constant) Scope {
	s, err := ParseScope(string(text))
	if err != nil {
		panic(err)
	}
	return s
}

// IsZero reports whether r names nothing.
func (r Reference) IsZero() bool { return r == Reference{} }

// Scope is the scope that r belongs to: its env, tenant and team.
func (r Reference) Scope() Scope { return r.scope }

// Category is the fourth segment, the pack or provider that the secret belongs to.
func (r Reference) Category() string { return r.category }

// Name is the fifth segment without the version.
func (r Reference) Name() string { return r.name }

// Version is the version that r pins, or 0 for the newest.
func (r Reference) Version() int { return r.version }

// String is r as "secret://…", with the version where one is pinned; Parse reads it back. The zero value is "".
func (r Reference) String() string {
	if r.IsZero() {
		return ""
	}
	text := scheme + r.scope.String() + "/" + r.category + "/" + r.name
	if r.version != 0 {
		text += "@" + strconv.Itoa(r.version)
	}
	return text
}

// StoreURI is r as Greentic's stores name the secret: "secrets://…", without a version. The zero value is "".
func (r Reference) StoreURI() string {
	if r.IsZero() {
		return ""
	}
	return storeScheme + r.Key()
}

// Key is <env>/<tenant>/<team>/<category>/<name>, the place of the secret below a store's prefix. The zero value is "".
func (r Reference) Key() string {
	if r.IsZero() {
		return ""
	}
	return r.scope.String() + "/" + r.category + "/" + r.name
}

// Path is <team>/<category>/<name>, the file that the secret becomes unless another is asked for. The zero value is "".
func (r Reference) Path() string {
	if r.IsZero() {
		return ""
	}
	return r.scope.team + "/" + r.category + "/" + r.name
}

// Newest is r without its version.
func (r Reference) Newest() Reference {
	r.version = 0
	return r
}

// WholeTenant is the secret of the same category and name that belongs to the whole tenant.
func (r Reference) WholeTenant() Reference {
	if r.IsZero() {
		return r
	}
	r.scope.team = WholeTenant
	return r
}

// MarshalText is String as bytes, so that a Reference stands in JSON and YAML as its own text.
func (r Reference) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is Parse.
func (r *Reference) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// IsZero reports whether s is no scope.
func (s Scope) IsZero() bool { return s == Scope{} }

// Env is the environment's id.
func (s Scope) Env() string { return s.env }

// Tenant is the tenant's id.
func (s Scope) Tenant() string { return s.tenant }

// Team is the team's id, or WholeTenant.
func (s Scope) Team() string { return s.team }

// String is <env>/<tenant>/<team>; ParseScope reads it back. The zero value is "".
func (s Scope) String() string {
	if s.IsZero() {
		return ""
	}
	return s.env + "/" + s.tenant + "/" + s.team
}

// WholeTenant is the scope of the same environment and tenant whose team is WholeTenant.
func (s Scope) WholeTenant() Scope {
	if s.IsZero() {
		return s
	}
	s.team = WholeTenant
	return s
}

// Grants reports whether a worker of scope s may read r: the same environment and tenant, and s's own team or the whole tenant's.
// A zero scope grants nothing.
func (s Scope) Grants(r Reference) bool {
	if s.IsZero() || r.IsZero() {
		return false
	}
	return r.scope == s || r.scope == s.WholeTenant()
}

// Reference is the reference to category and name in this scope. The errors are those of the segments.
func (s Scope) Reference(category, name string) (Reference, error) {
	return Parse(scheme + s.String() + "/" + category + "/" + name)
}

// MarshalText is String as bytes.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseScope.
func (s *Scope) UnmarshalText(text []byte) error {
	parsed, err := ParseScope(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

func scopeOf(parts []string) (Scope, error) {
	if err := segment("env", parts[0]); err != nil {
		return Scope{}, err
	}
	if err := segment("tenant", parts[1]); err != nil {
		return Scope{}, err
	}
	// Greentic folds this one word before it looks at characters, so "DEFAULT" is a team and "Sales" is not.
	team := parts[2]
	if strings.EqualFold(team, "default") {
		team = WholeTenant
	}
	if team != WholeTenant {
		if err := segment("team", team); err != nil {
			return Scope{}, err
		}
	}
	return Scope{env: parts[0], tenant: parts[1], team: team}, nil
}

func segment(which, text string) error {
	if err := checkSegment(text); err != nil {
		return fmt.Errorf("%s: %w", which, err)
	}
	return nil
}

func checkSegment(text string) error {
	switch {
	case text == "":
		return ErrEmpty
	case len(text) > MaxSegment:
		return ErrTooLong
	case text == WholeTenant:
		return ErrUnderscore
	case text == ".":
		return ErrDot
	case strings.HasPrefix(text, ".."):
		return ErrDotDot
	}
	for i := range len(text) {
		if !allowed(text[i]) {
			return ErrCharacter
		}
	}
	return nil
}

func allowed(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-'
}

func cutVersion(last string) (name string, version int, err error) {
	name, digits, found := strings.Cut(last, "@")
	if !found {
		return name, 0, nil
	}
	if len(digits) < 1 || len(digits) > 9 || digits[0] == '0' {
		return "", 0, ErrVersion
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", 0, ErrVersion
		}
		version = version*10 + int(digits[i]-'0')
	}
	return name, version, nil
}
