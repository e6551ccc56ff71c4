package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// What All ends with besides the errors of packages vault and record.
var (
	// ErrNotGranted is a wish for what badge.Admit did not grant: a bug.
	ErrNotGranted = errors.New("not granted")
	// ErrTooMuch is more than a mount may read.
	ErrTooMuch = errors.New("the secrets are more than a mount may read")
)

// MaxRead is how many bytes of answers one mount may read: far more than a volume can hold, and far less than would hurt the node.
const MaxRead = 32 << 20

// Vault is what is asked of a connection.
type Vault interface {
	Read(ctx context.Context, token vault.Token, key string, version int) (secret.Value, error)
	Decrypt(ctx context.Context, token vault.Token, ciphertexts []string) ([]vault.Decrypted, error)
	Issuer
}

// Wish is one object's secret.
type Wish struct {
	Granted badge.Granted
	// Fallback asks for the whole tenant's secret where the granted one is absent.
	Fallback bool
	// Optional makes an absent secret no fault.
	Optional bool
	// Refusable makes a secret that Vault's policy refuses no fault, as if it were absent.
	Refusable bool
}

// Excuses reports whether the wish can be without what Vault answered err to.
func (w Wish) Excuses(err error) bool {
	return w.Optional && isAbsence(err) || w.Refusable && errors.Is(err, vault.ErrPolicy) && !errors.Is(err, vault.ErrEnded)
}

func isAbsence(err error) bool {
	return errors.Is(err, vault.ErrNotFound) || errors.Is(err, record.ErrNotFound)
}

// Found is what there is for a wish.
type Found struct {
	// Reference is what was read: the wish's, or the whole tenant's; zero if an optional secret is absent.
	Reference secretref.Reference
	// Stored is the version and, of a plain KV secret, its fields.
	Stored record.Stored
	// Value is a record's opened value; empty for a plain KV secret.
	Value secret.Value
	// Path is the raw path whose answer Issued is; zero for a reference, and if what is optional is absent.
	Path   badge.Path
	Issued Issued
}

// IsAbsent reports whether an optional secret is not there.
func (f Found) IsAbsent() bool { return f.Reference.IsZero() && f.Path.IsZero() }

// All fetches wishes with token. What it found is in their order. What is made for one pod and held for it (badge.Path.IsHeld) is left
// out: Issue gives it, once. All faults are reported at once, each with the field path of its
// object.
func All(ctx context.Context, from Vault, token vault.Token, wishes []Wish) ([]Found, error) {
	for i, wish := range wishes {
		if wish.Granted.IsZero() {
			return nil, fmt.Errorf("objects[%d]: %w", i, ErrNotGranted)
		}
	}
	f := &fetcher{vault: from, token: token}
	f.readAll(ctx, grants(wishes))
	f.issueAll(ctx, wishes)
	f.readAll(ctx, f.fallbacks(wishes))
	f.openAll(ctx)
	return f.answer(wishes)
}

// fetcher is one mount's work.
type fetcher struct {
	vault  Vault
	token  vault.Token
	budget budget
	seen   []*reading // as they were asked for; so few that looking through them is the fastest way to find one
	issued map[badge.Granted]*issue
	keys   error // why the records' data keys could not be unwrapped
}

// find is nil if nobody has asked for ref.
func (f *fetcher) find(ref secretref.Reference) *reading {
	for _, r := range f.seen {
		if r.granted.Reference() == ref {
			return r
		}
	}
	return nil
}

// reading is one distinct secret: read, and opened if it is a record.
type reading struct {
	granted badge.Granted
	stored  record.Stored
	value   secret.Value
	err     error
}

func (r *reading) absent() bool { return isAbsence(r.err) }

func grants(wishes []Wish) []badge.Granted {
	granted := make([]badge.Granted, 0, len(wishes))
	for _, wish := range wishes {
		if wish.Granted.Path().IsZero() {
			granted = append(granted, wish.Granted)
		}
	}
	return granted
}

// fallbacks are the whole tenant's secrets that stand in for absent ones. Only absence calls for one: a policy's refusal does not.
func (f *fetcher) fallbacks(wishes []Wish) []badge.Granted {
	var granted []badge.Granted
	for _, wish := range wishes {
		if wish.Fallback && f.find(wish.Granted.Reference()).absent() {
			granted = append(granted, wish.Granted.WholeTenant())
		}
	}
	return granted
}

// readAll reads what has not been read yet, all at the same time.
func (f *fetcher) readAll(ctx context.Context, granted []badge.Granted) {
	known := len(f.seen)
	f.seen = slices.Grow(f.seen, len(granted))
	for _, g := range granted {
		if f.find(g.Reference()) == nil {
			f.seen = append(f.seen, &reading{granted: g})
		}
	}
	atOnce(f.seen[known:], func(r *reading) { f.read(ctx, r) })
}

func (f *fetcher) read(ctx context.Context, r *reading) {
	ref := r.granted.Reference()
	var data secret.Value
	if data, r.err = f.vault.Read(ctx, f.token, ref.Key(), ref.Version()); r.err != nil {
		return
	}
	defer data.Wipe()
	if !f.budget.spend(data.Len()) {
		r.err = fmt.Errorf("%w: more than %d bytes; split the class", ErrTooMuch, MaxRead)
		return
	}
	if r.stored, r.err = record.ParseKV(data.Reveal(), ref); r.err != nil {
		r.err = fmt.Errorf("opening what is stored at %q: %w", ref.Key(), r.err)
	}
}

// openAll unwraps the data keys of all records in one request and opens each with its own.
func (f *fetcher) openAll(ctx context.Context) {
	var sealed []*reading
	var wrapped []string
	for _, r := range f.seen {
		if sealedRecord, ok := r.stored.Record(); ok && r.err == nil {
			sealed = append(sealed, r)
			wrapped = append(wrapped, sealedRecord.WrappedKey())
		}
	}
	if len(sealed) == 0 {
		return
	}
	keys, err := f.vault.Decrypt(ctx, f.token, wrapped)
	if err != nil {
		f.keys = err
		return
	}
	for i, r := range sealed {
		r.open(keys[i])
	}
}

func (r *reading) open(key vault.Decrypted) {
	sealed, _ := r.stored.Record()
	if r.err = key.Err; r.err == nil {
		defer key.Plaintext.Wipe()
		r.value, r.err = sealed.Open(key.Plaintext)
	}
	if r.err != nil {
		r.err = fmt.Errorf("opening the record %q: %w; write the secret again with `gtc-deployer secrets put`", r.granted.Reference(), r.err)
	}
}

// answer gives each wish its share, or every wish's fault.
func (f *fetcher) answer(wishes []Wish) ([]Found, error) {
	found := make([]Found, len(wishes))
	var faults []error
	for i, wish := range wishes {
		if !wish.Granted.Path().IsZero() {
			var err error
			if found[i], err = f.share(wish); err != nil {
				faults = append(faults, fmt.Errorf("objects[%d]: %w", i, err))
			}
			continue
		}
		r := f.find(wish.Granted.Reference())
		if wish.Fallback && r.absent() {
			r = f.find(wish.Granted.WholeTenant().Reference())
		}
		switch {
		case r.err == nil:
			found[i] = Found{Reference: r.granted.Reference(), Stored: r.stored, Value: r.value}
		case !wish.Excuses(r.err):
			faults = append(faults, fmt.Errorf("objects[%d]: %w", i, r.err))
		}
	}
	if f.keys != nil {
		faults = append(faults, f.keys)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return found, nil
}
