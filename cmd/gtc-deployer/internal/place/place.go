// Package place says where in a Vault the things of an environment are: pure names, nothing is asked of anybody.
//
// The layout is Greentic's own (greentic-secrets, provider vault-kv): a record stands at
//
//	<kv mount>/data/<kv prefix>/<env>/<tenant>/<team>/<category>/<name>
//
// and its data key is wrapped by one transit key. Places come only from New, which refuses every character that Vault's policies
// read as a pattern, so that a path of this package grants in a policy what it names and nothing else.
package place

import (
	"errors"
	"fmt"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrInvalid is every fault that New finds.
var ErrInvalid = errors.New("invalid place in vault")

// Names are an environment's names of Vault's mounts and of the transit key; an empty one means Greentic's default.
type Names struct {
	KVMount      string // default "secret"
	KVPrefix     string // default "greentic"
	TransitMount string // default "transit"
	TransitKey   string // default "greentic"
	AuthMount    string // default "kubernetes"; without "auth/"
}

// Places are names that were checked. The zero value names nothing.
type Places struct{ names Names }

const longest = 512

// New checks n, all faults at once.
func New(n Names) (Places, error) {
	var faults []error
	check := func(field, text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		if err := checkPath(text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %q: %w: %w", field, text, ErrInvalid, err))
		}
		return text
	}
	n = Names{
		KVMount:      check("kv_mount", n.KVMount, "secret"),
		KVPrefix:     check("kv_prefix", n.KVPrefix, "greentic"),
		TransitMount: check("transit_mount", n.TransitMount, "transit"),
		TransitKey:   check("transit_key", n.TransitKey, "greentic"),
		AuthMount:    check("auth_mount", n.AuthMount, "kubernetes"),
	}
	if strings.Contains(n.TransitKey, "/") {
		faults = append(faults, fmt.Errorf("transit_key: %q: %w: a key's name holds no slash", n.TransitKey, ErrInvalid))
	}
	for _, mount := range []struct{ field, path string }{{"kv_mount", n.KVMount}, {"transit_mount", n.TransitMount}} {
		switch first, _, _ := strings.Cut(mount.path, "/"); first {
		case "sys", "auth", "identity", "cubbyhole":
			faults = append(faults, fmt.Errorf("%s: %q: %w: %q is Vault's own", mount.field, mount.path, ErrInvalid, first))
		}
	}
	if within(n.KVMount, n.TransitMount) || within(n.TransitMount, n.KVMount) {
		faults = append(faults, fmt.Errorf("transit_mount: %q: %w: it overlaps kv_mount %q, and Vault mounts nothing inside a mount",
			n.TransitMount, ErrInvalid, n.KVMount))
	}
	if len(faults) > 0 {
		return Places{}, errors.Join(faults...)
	}
	return Places{names: n}, nil
}

// Names are p's names, the defaults filled in.
func (p Places) Names() Names { return p.names }

// Data is the path that reads and writes ref's record.
func (p Places) Data(ref secretref.Reference) string { return p.data() + "/" + ref.Key() }

// Below is what stands before every record's path of scope s; it ends with a slash.
func (p Places) Below(s secretref.Scope) string { return p.data() + "/" + s.String() + "/" }

// KVConfig is the path that answers once the KV mount is in working order.
func (p Places) KVConfig() string { return p.names.KVMount + "/config" }

// Key is the transit key's own path.
func (p Places) Key() string { return p.names.TransitMount + "/keys/" + p.names.TransitKey }

// Encrypt is the path that wraps data keys.
func (p Places) Encrypt() string { return p.names.TransitMount + "/encrypt/" + p.names.TransitKey }

// Decrypt is the path that unwraps data keys.
func (p Places) Decrypt() string { return p.names.TransitMount + "/decrypt/" + p.names.TransitKey }

// AuthConfig is the path of the auth mount's configuration.
func (p Places) AuthConfig() string { return "auth/" + p.names.AuthMount + "/config" }

// Login is the path at which a pod's token becomes a Vault token.
func (p Places) Login() string { return "auth/" + p.names.AuthMount + "/login" }

// Role is the path of the role called name.
func (p Places) Role(name string) string { return "auth/" + p.names.AuthMount + "/role/" + name }

// Policy is the path of the policy called name.
func Policy(name string) string { return "sys/policies/acl/" + name }

func (p Places) data() string { return p.names.KVMount + "/data/" + p.names.KVPrefix }

func checkPath(text string) error {
	if len(text) > longest {
		return fmt.Errorf("it is longer than %d bytes", longest)
	}
	for part := range strings.SplitSeq(text, "/") {
		switch {
		case part == "":
			return errors.New("an empty segment: no slash at either end and no two in a row")
		case part == "." || strings.HasPrefix(part, ".."):
			return errors.New("a dot segment walks the path")
		}
		if strings.ContainsFunc(part, func(r rune) bool { return !allowed(r) }) {
			return errors.New("only A-Z, a-z, 0-9, '.', '_', '-' and '/' between segments (others are patterns in a policy or escapes in a URL)")
		}
	}
	return nil
}

func allowed(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}

func within(inner, outer string) bool { return strings.HasPrefix(inner+"/", outer+"/") }
