package rawpath

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrPattern is what ParsePattern refuses with, besides what Parse refuses a path with.
var ErrPattern = errors.New("is no pattern of a path")

// anything is the segment of a pattern that any one segment matches.
const anything = "*"

// Places of a pattern.
const (
	placeEnv    = "{env}"
	placeTenant = "{tenant}"
	placeTeam   = "{team}"
	placeRole   = "{role}"
)

var places = []string{placeEnv, placeTenant, placeTeam, placeRole}

// Pattern is paths that an operator grants. The zero value matches nothing.
type Pattern struct{ segments []string }

// ParsePattern reads a pattern. Its first segment, the mount, is a literal or a part of the scope.
func ParsePattern(text string) (Pattern, error) {
	if strings.Contains(text, "?") {
		return Pattern{}, fmt.Errorf("%s %w: what may be sent with a path is not part of it", faults.Quote(text), ErrPattern)
	}
	literal := strings.Split(text, "/")
	for i, segment := range literal {
		switch {
		case segment == anything && i == 0:
			return Pattern{}, fmt.Errorf("%s %w: the mount, its first segment, is named", faults.Quote(text), ErrPattern)
		case segment == anything, slices.Contains(places, segment):
			literal[i] = "x" // something legal where it stands, so that the grammar judges the rest
		case strings.ContainsAny(segment, "{}"):
			return Pattern{}, fmt.Errorf("%s %w: in %s: a segment is a literal, * or one of %s, each by itself; {role} is the scope's whole name",
				faults.Quote(text), ErrPattern, faults.Quote(segment), strings.Join(places, " "))
		}
	}
	if _, err := Parse(strings.Join(literal, "/"), nil); err != nil {
		return Pattern{}, fmt.Errorf("%s: %w", faults.Quote(text), err)
	}
	return Pattern{segments: strings.Split(text, "/")}, nil
}

// For is p for a scope: every segment a literal or "*". role is the scope's name. A scope whose part is the name of one of Vault's own
// mounts has none there: only the operator's own words lead to such a place.
func (p Pattern) For(s secretref.Scope, role string) (segments []string, ok bool) {
	if s.IsZero() || len(p.segments) == 0 {
		return nil, false
	}
	parts := map[string]string{placeEnv: s.Env(), placeTenant: s.Tenant(), placeTeam: s.Team(), placeRole: role}
	segments = make([]string, len(p.segments))
	for i, segment := range p.segments {
		part, isPlace := parts[segment]
		if !isPlace {
			part = segment
		}
		if isPlace && reserved(part) {
			return nil, false
		}
		segments[i] = part
	}
	return segments, true
}

// Matches reports whether r's path is one of p for the scope. What a "*" stands for is never the name of one of Vault's own mounts: in a
// Vault with namespaces that may be what it is.
func (p Pattern) Matches(r Request, s secretref.Scope, role string) bool {
	wanted, ok := p.For(s, role)
	segments := strings.Split(r.path, "/")
	if !ok || r.IsZero() || len(segments) != len(wanted) {
		return false
	}
	for i, segment := range segments {
		if wanted[i] == anything && reserved(segment) || wanted[i] != anything && wanted[i] != segment {
			return false
		}
	}
	return true
}

// String is the pattern as it is written.
func (p Pattern) String() string { return strings.Join(p.segments, "/") }

// IsZero reports whether p matches nothing.
func (p Pattern) IsZero() bool { return len(p.segments) == 0 }
