package store

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Did is what became of one entry of an import.
type Did string

// What can become of an entry.
const (
	Written Did = "written"     // Vault has it now
	Same    Did = "same"        // Vault had it already, with this very value
	LeftOut Did = "left out"    // it does not belong into this store
	Failed  Did = "not written" // the import's error says why
)

// Outcome is one entry of an import and what became of it.
type Outcome struct {
	Ref     secretref.Reference
	Did     Did
	Version int    // the version in Vault; 0 where there is none
	Why     string // of what was left out; otherwise ""
}

// Options say what an import may do.
type Options struct {
	Overwrite       bool // where Vault has another value, write the entry's as the next version; false refuses the import
	LeaveOutForeign bool // leave out other environments' and tenants' entries; false refuses the import
}

// parallel is how many requests an import has under way at once.
const parallel = 8

// item is an entry on its way through an import.
type item struct {
	write
	found   found
	outcome *Outcome
}

// Import brings entries into Vault. One that Vault has already, with the same value, is left as it is; the deployer's own credentials are
// left out. All that can be refused is refused before the first write, everything at once.
//
// A write that fails does not stop the others: the outcomes, in the order of entries, tell what was written, and the same import again
// does the rest. There are no outcomes where nothing was tried.
func (s *Store) Import(ctx context.Context, entries []record.Entry, options Options) ([]Outcome, error) {
	outcomes := make([]Outcome, len(entries))
	var items []*item
	var faults []error
	for i, entry := range entries {
		ref := entry.Meta.Ref
		outcomes[i] = Outcome{Ref: ref, Did: LeftOut}
		switch {
		case Reserved(ref):
			outcomes[i].Why = "the deployer's own credential"
			continue
		case options.LeaveOutForeign && s.foreign(ref):
			outcomes[i].Why = "of another environment or tenant"
			continue
		}
		if err := errors.Join(s.Check(ref), checkLength(ref, entry.Value)); err != nil {
			faults = append(faults, err)
		}
		items = append(items, &item{write: write{meta: entry.Meta, value: entry.Value}, outcome: &outcomes[i]})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(items) == 0 {
		return outcomes, nil
	}
	if err := s.wired(ctx); err != nil {
		return nil, err
	}
	writes, err := s.compare(ctx, items, options.Overwrite)
	if err != nil {
		return nil, err
	}
	return outcomes, s.writeAll(ctx, writes)
}

var errOtherValue = errors.New("another value")

// compare looks at what Vault has and says which items are to be written; those that are there already are Same.
func (s *Store) compare(ctx context.Context, items []*item, overwrite bool) ([]*item, error) {
	if err := each(ctx, items, func(ctx context.Context, it *item) (err error) {
		it.found, err = s.look(ctx, it.meta.Ref)
		return err
	}); err != nil {
		return nil, err
	}
	if err := s.openFound(ctx, items); err != nil {
		return nil, err
	}
	var writes []*item
	var faults []error
	for _, it := range items {
		switch {
		case it.outcome.Did == Same:
			continue
		case it.found.state != absent && !overwrite:
			faults = append(faults, fmt.Errorf("%q: %w: version %d: %w; --overwrite writes the file's value as the next version",
				it.meta.Ref, ErrOccupied, it.found.version, it.found.why))
		}
		it.over = it.found.version
		writes = append(writes, it)
	}
	return writes, errors.Join(faults...)
}

// openFound opens the records that are there: items of the same value are Same, of the others it notes what is there instead.
func (s *Store) openFound(ctx context.Context, items []*item) error {
	var sealedItems []*item
	var records []record.Record
	for _, it := range items {
		if it.found.state == sealed {
			sealedItems, records = append(sealedItems, it), append(records, it.found.record)
		}
	}
	values, faults, err := s.open(ctx, records)
	if err != nil {
		return err
	}
	for i, it := range sealedItems {
		switch {
		case faults[i] != nil:
			it.found.why = faults[i]
		case values[i].Equal(it.value):
			it.outcome.Did, it.outcome.Version = Same, it.found.version
		default:
			it.found.why = errOtherValue
		}
		values[i].Wipe()
	}
	return nil
}

func (s *Store) writeAll(ctx context.Context, items []*item) error {
	writes := make([]*write, len(items))
	for i, it := range items {
		writes[i] = &it.write
		it.outcome.Did = Failed
	}
	if err := s.seal(ctx, writes); err != nil {
		return err
	}
	return each(ctx, items, func(ctx context.Context, it *item) error {
		version, err := s.commit(ctx, it.write)
		if err != nil {
			return err
		}
		it.outcome.Did, it.outcome.Version = Written, version
		return nil
	})
}

// each does something with every item, some at once, and joins what went wrong in the items' order. A Vault that is gone ends it: the
// rest would only say the same.
func each(ctx context.Context, items []*item, do func(context.Context, *item) error) error {
	errs := make([]error, len(items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, it := range items {
		group.Go(func() error {
			errs[i] = do(ctx, it)
			if errors.Is(errs[i], operator.ErrUnreachable) || errors.Is(errs[i], operator.ErrSealed) {
				return errs[i]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return errors.Join(errs...)
}
