package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// What can be wrong besides the connection; errors.Is tells.
var (
	// ErrReference is a reference that does not belong into this environment's store.
	ErrReference = errors.New("not a reference of this environment's store")
	// ErrOccupied is something else than what an import would write.
	ErrOccupied = errors.New("vault holds something else there")
	// ErrTooLong is a value that Vault would not take.
	ErrTooLong = errors.New("value too long for vault")
	// ErrNotWired is a Vault in which the mounts or the key are missing.
	ErrNotWired = errors.New("vault is not wired for this environment")
)

// MaxValue is the longest value, in bytes. A record is base64 within base64, and Vault takes one JSON text of at most 1 MiB unless its
// listener says otherwise (max_json_string_value_length).
const MaxValue = 512 << 10

func checkLength(ref secretref.Reference, value secret.Value) error {
	if value.Len() > MaxValue {
		return fmt.Errorf("%q: %w: it has %d bytes and may have %d: keep the bulk elsewhere, and its key here", ref, ErrTooLong, value.Len(), MaxValue)
	}
	return nil
}

// Vault is what a Store needs of one: *operator.Vault.
type Vault interface {
	Read(ctx context.Context, path string) (operator.Answer, error)
	Write(ctx context.Context, path string, body any) (operator.Answer, error)
}

// Owner is whose store it is.
type Owner struct {
	Env     string   // the environment's id; every reference is of it
	Tenants []string // the tenants whose references it takes; none takes every tenant's
}

// Store is an environment's place for secrets in Vault.
type Store struct {
	vault  Vault
	places place.Places
	owner  Owner
}

// New is the store of owner at places in v.
func New(v Vault, places place.Places, owner Owner) *Store {
	return &Store{vault: v, places: places, owner: owner}
}

// Put writes value as the newest version of ref and says which version that is.
func (s *Store) Put(ctx context.Context, ref secretref.Reference, value secret.Value) (version int, err error) {
	if err := errors.Join(s.Check(ref), checkLength(ref, value)); err != nil {
		return 0, err
	}
	if err := s.wired(ctx); err != nil {
		return 0, err
	}
	found, err := s.look(ctx, ref)
	if err != nil {
		return 0, err
	}
	meta := record.Meta{Ref: ref, Visibility: record.VisibleToTeam, ContentType: record.ContentText}
	if ref.Scope().Team() == secretref.WholeTenant {
		meta.Visibility = record.VisibleToTenant
	}
	if !utf8.Valid(value.Reveal()) {
		meta.ContentType = record.ContentBinary
	}
	w := write{meta: meta, value: value, over: found.version}
	if err := s.seal(ctx, []*write{&w}); err != nil {
		return 0, err
	}
	return s.commit(ctx, w)
}

// Reserved reports whether ref is where Greentic's deployer keeps its own credentials (greentic-deployer, credentials/store_paths.rs).
// They are the deployer's, never a worker's.
func Reserved(ref secretref.Reference) bool {
	switch _, rest, _ := strings.Cut(ref.Key(), "/"); rest {
	case "default/_/k8s-deployer/deployer_token", "default/_/aws-deployer/deployer_session":
		return true
	}
	return false
}

// Check tells whether ref belongs here; every fault is an ErrReference.
func (s *Store) Check(ref secretref.Reference) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%q: %w: "+format, append([]any{ref, ErrReference}, args...)...))
	}
	if ref.Version() != 0 {
		fault("it pins version %d, and Vault counts versions itself: leave the version out", ref.Version())
	}
	if env := ref.Scope().Env(); env != s.owner.Env {
		fault("it is of environment %q and this one is %q: name the other environment's file, or the reference of this one", env, s.owner.Env)
	}
	if tenant := ref.Scope().Tenant(); !s.owner.has(tenant) {
		fault("its tenant %q has no worker here; the environment's tenants are %q", tenant, s.owner.Tenants)
	}
	if Reserved(ref) {
		fault("it is where Greentic's deployer keeps its own credential, which no worker may read")
	}
	return errors.Join(faults...)
}

func (s *Store) foreign(ref secretref.Reference) bool {
	return ref.Scope().Env() != s.owner.Env || !s.owner.has(ref.Scope().Tenant())
}

func (o Owner) has(tenant string) bool {
	return len(o.Tenants) == 0 || slices.Contains(o.Tenants, tenant)
}

// wired makes sure of the transit key before anything is wrapped: asked to encrypt with a key that does not exist, Vault makes one.
func (s *Store) wired(ctx context.Context) error {
	answer, err := s.vault.Read(ctx, s.places.Key())
	if err != nil {
		return fmt.Errorf("looking for the transit key: %w", err)
	}
	if !answer.Found() {
		return fmt.Errorf("looking for the transit key: %w: there is nothing at %s: run `gtc-deployer vault apply` with the same environment file",
			ErrNotWired, s.places.Key())
	}
	return nil
}

// state is what stands at a reference's path.
type state int

const (
	absent   state = iota // nothing, or a deleted version
	sealed                // a record of the reference
	unlawful              // plain fields, or what is no record of the reference
)

// found is what Vault holds for one reference.
type found struct {
	state   state
	version int           // the newest version, deleted or not; 0 if there never was one
	record  record.Record // if sealed
	why     error         // if unlawful
}

func (s *Store) look(ctx context.Context, ref secretref.Reference) (found, error) {
	answer, err := s.vault.Read(ctx, s.places.Data(ref))
	if err != nil {
		return found{}, fmt.Errorf("reading %q: %w", ref, err)
	}
	if answer.Unmounted {
		return found{}, fmt.Errorf("reading %q: %w: there is no KV mount %s/: run `gtc-deployer vault apply` with the same environment file",
			ref, ErrNotWired, s.places.Names().KVMount)
	}
	if !answer.Found() && answer.Data == nil {
		return found{}, nil
	}
	var newest struct {
		Metadata struct {
			Version int `json:"version"`
		} `json:"metadata"`
	}
	if err := answer.Decode(&newest); err != nil {
		return found{}, fmt.Errorf("reading %q: %w", ref, err)
	}
	f := found{version: newest.Metadata.Version}
	stored, err := record.ParseKV(answer.Data, ref)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return f, nil
	case errors.Is(err, record.ErrCorrupt):
		f.state, f.why = unlawful, err
		return f, nil
	case err != nil:
		return found{}, fmt.Errorf("reading %q: %w: is %s/ a KV mount of version 2?", ref, err, s.places.Names().KVMount)
	}
	if r, ok := stored.Record(); ok {
		f.state, f.record = sealed, r
		return f, nil
	}
	f.state, f.why = unlawful, errors.New("plain fields, which Greentic's workers do not read")
	return f, nil
}

// write is one secret on its way into Vault.
type write struct {
	meta  record.Meta
	value secret.Value
	over  int            // the version that it follows; 0 for the first
	data  map[string]any // once sealed
}

// commit writes w if nobody else wrote meanwhile, and says which version it became.
func (s *Store) commit(ctx context.Context, w write) (version int, err error) {
	answer, err := s.vault.Write(ctx, s.places.Data(w.meta.Ref), map[string]any{
		"data": w.data, "options": map[string]any{"cas": w.over},
	})
	if err != nil {
		return 0, fmt.Errorf("writing %q after its version %d: %w", w.meta.Ref, w.over, err)
	}
	var written struct {
		Version int `json:"version"`
	}
	if err := answer.Decode(&written); err != nil {
		return 0, fmt.Errorf("writing %q: %w", w.meta.Ref, err)
	}
	return written.Version, nil
}
