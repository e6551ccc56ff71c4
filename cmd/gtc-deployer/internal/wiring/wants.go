package wiring

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
)

// want is one thing that Vault must hold.
type want struct {
	what  string
	read  string   // where it is read
	entry []string // its keys, outermost first, where Vault shows it within a list; none means all that is read
	write string   // where it is written

	// settle says what it must be, given what is there (nil if nothing is).
	settle func(current map[string]any) (setting, error)
	after  func(context.Context, Vault) error
}

// wants lists everything in the order in which it can be written.
func (s Spec) wants() []want {
	n := s.Places.Names()
	all := []want{
		{
			what: "audited header " + AuditedHeader,
			// Vault keeps names of headers in lower case.
			read: "sys/config/auditing/request-headers", entry: []string{"headers", strings.ToLower(AuditedHeader)},
			write:  "sys/config/auditing/request-headers/" + AuditedHeader,
			settle: exactly(map[string]any{"hmac": false}),
		},
		{
			what: fmt.Sprintf("KV v2 mount %s/", n.KVMount),
			read: "sys/mounts", entry: []string{n.KVMount + "/"}, write: "sys/mounts/" + n.KVMount,
			settle: mounted(checkKV, map[string]any{"type": "kv", "options": map[string]string{"version": "2"}, "description": "Greentic's records"}),
			after:  s.awaitKV,
		},
		{
			what: fmt.Sprintf("transit mount %s/", n.TransitMount),
			read: "sys/mounts", entry: []string{n.TransitMount + "/"}, write: "sys/mounts/" + n.TransitMount,
			settle: mounted(checkType("transit"), map[string]any{"type": "transit", "description": "wraps the data keys of Greentic's records"}),
		},
		{
			what: "transit key " + n.TransitKey,
			read: s.Places.Key(), write: s.Places.Key(),
			settle: mounted(checkKey, map[string]any{"type": "aes256-gcm96"}),
		},
		{
			what: fmt.Sprintf("auth mount auth/%s/ (%s)", n.AuthMount, s.Method.mount()),
			read: "sys/auth", entry: []string{n.AuthMount + "/"}, write: "sys/auth/" + n.AuthMount,
			settle: mounted(s.checkAuth, map[string]any{"type": s.Method.mount(), "description": "proves the badges of Greentic's workers"}),
		},
		{
			what: fmt.Sprintf("configuration of auth/%s/", n.AuthMount),
			read: s.Places.AuthConfig(), write: s.Places.AuthConfig(),
			settle: s.Method.config,
		},
	}
	for _, r := range s.Roles {
		path := place.Policy(r.Name())
		all = append(all, want{what: "policy " + r.Name(), read: path, write: path, settle: exactly(map[string]any{"policy": Policy(s.Places, r)})})
	}
	for _, r := range s.Roles {
		path := s.Places.Role(r.Name())
		all = append(all, want{what: "role " + r.Name(), read: path, write: path, settle: exactly(s.role(r))})
	}
	return all
}

// decide reads what is there and says what is to be done.
func (w want) decide(ctx context.Context, v Vault) (change, error) {
	current, err := w.current(ctx, v)
	if err != nil {
		return change{}, err
	}
	s, err := w.settle(current)
	if err != nil {
		return change{}, err
	}
	c := change{step: Step{What: w.what, Did: Kept, Note: s.note}, path: w.write, body: s.write, refused: s.refused, after: w.after}
	switch {
	case s.write == nil:
		return c, nil
	case current == nil:
		c.step.Did = Created
		return c, nil
	}
	if c.step.Fields, err = differing(s.compare, current); err != nil {
		return change{}, err
	}
	if len(c.step.Fields) > 0 || s.force {
		c.step.Did = Mended
	}
	return c, nil
}

// current is what Vault holds now; nil if it holds nothing.
func (w want) current(ctx context.Context, v Vault) (map[string]any, error) {
	answer, err := v.Read(ctx, w.read)
	if err != nil {
		return nil, err
	}
	if !answer.Found() {
		return nil, nil
	}
	current := map[string]any{}
	if err := answer.Decode(&current); err != nil {
		return nil, err
	}
	for _, key := range w.entry {
		current, _ = current[key].(map[string]any)
	}
	return current, nil
}

// exactly is a thing whose every field is ours.
func exactly(fields map[string]any) func(map[string]any) (setting, error) {
	return func(map[string]any) (setting, error) { return setting{write: fields, compare: fields}, nil }
}

// mounted is a thing that is made once and, if it is there and passes check, left as its owner keeps it.
func mounted(check func(map[string]any) error, fields map[string]any) func(map[string]any) (setting, error) {
	return func(current map[string]any) (setting, error) {
		if current == nil {
			return setting{write: fields}, nil
		}
		return setting{}, check(current)
	}
}

func checkType(want string) func(map[string]any) error {
	return func(current map[string]any) error {
		if is, _ := current["type"].(string); is != want {
			return fmt.Errorf("%w: a mount of type %q, not %q: name another mount in the environment's secrets slot", ErrForeign, is, want)
		}
		return nil
	}
}

func checkKV(current map[string]any) error {
	if err := checkType("kv")(current); err != nil {
		return err
	}
	options, _ := current["options"].(map[string]any)
	if version, _ := options["version"].(string); version != "2" {
		return fmt.Errorf("%w: a KV mount of version 1, which keeps no versions: name another mount in the environment's secrets slot, "+
			"or upgrade this one (vault kv enable-versioning)", ErrForeign)
	}
	return nil
}

func checkKey(current map[string]any) error {
	derived, _ := current["derived"].(bool)
	encrypts, _ := current["supports_encryption"].(bool)
	decrypts, _ := current["supports_decryption"].(bool)
	if derived || !encrypts || !decrypts {
		return fmt.Errorf("%w: a key that needs a context or does not encrypt, which Greentic's readers cannot use: "+
			"name another key in the environment's secrets slot", ErrForeign)
	}
	return nil
}

// checkAuth also looks at the mount's own token type, which overrules what a role says.
func (s Spec) checkAuth(current map[string]any) error {
	if err := checkType(s.Method.mount())(current); err != nil {
		return err
	}
	config, _ := current["config"].(map[string]any)
	forced, _ := config["token_type"].(string)
	for _, r := range s.Roles {
		if forced == "service" && r.Kind == Static || forced == "batch" && r.Kind == Leased {
			return fmt.Errorf("%w: a mount that makes every token a %s token, and role %s needs the other kind: "+
				"tune the mount's token_type to default-service, or name another mount", ErrForeign, forced, r.Name())
		}
	}
	return nil
}

// differing names the fields of want that current has otherwise, sorted. What is absent equals the zero of its type: Vault leaves out
// what was never set.
func differing(want, current map[string]any) ([]string, error) {
	text, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	var fields []string
	for field, value := range decoded {
		if !reflect.DeepEqual(normal(value), normal(current[field])) {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields, nil
}

// normal makes values comparable that mean the same: nothing and the zero value, a PEM text with and without its last newline, a list in
// another order.
func normal(value any) any {
	switch v := value.(type) {
	case string:
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	case bool:
		if v {
			return v
		}
	case float64:
		if v != 0 {
			return v
		}
	case map[string]any:
		if len(v) > 0 {
			return v
		}
	case []any:
		if len(v) > 0 {
			list := make([]string, len(v))
			for i, item := range v {
				list[i] = fmt.Sprint(normal(item))
			}
			slices.Sort(list)
			return list
		}
	}
	return nil
}
