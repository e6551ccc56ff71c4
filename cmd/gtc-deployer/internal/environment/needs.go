package environment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// assign gives each worker what is declared for it and its scope grants. A secret that nobody may have is a fault.
func (p *parser) assign() {
	for _, d := range p.declared {
		granted := false
		for i := range p.env.Workers {
			worker := &p.env.Workers[i]
			if !d.isFor(*worker) {
				continue
			}
			granted = true
			if err := worker.add(d.need); err != nil {
				p.faults.Add(d.need.From, err)
				break // the other workers would say the same
			}
		}
		// A bundle that is archived keeps its secrets, and comes back to them.
		if !granted && p.scopesAreKnown() && !slices.ContainsFunc(p.archived, d.isFor) {
			p.faults.Add(d.need.From, p.ungranted(d))
		}
	}
	for i := range p.env.Workers {
		worker := &p.env.Workers[i]
		slices.SortFunc(worker.Needs, func(a, b Need) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
		if len(worker.Needs) > params.MaxObjects {
			p.faults.Addf("bundles", "%s needs more than %d secrets; split the bundle", faults.Quote(worker.Bundle), params.MaxObjects)
		}
	}
}

// isFor reports whether the worker needs the secret and may have it.
func (d declared) isFor(w Worker) bool {
	return (d.bundles == nil || slices.Contains(d.bundles, w.Bundle)) && w.Scope.Grants(d.need.Ref)
}

// add gives the worker a need. Asked for twice it is optional only if both say so, and the tenant's secret serves only if both say so.
func (w *Worker) add(need Need) error {
	for i := range w.Needs {
		have := &w.Needs[i]
		switch {
		case have.Ref == need.Ref:
			have.Optional = have.Optional && need.Optional
			have.Fallback = have.Fallback && need.Fallback
			return nil
		case have.Ref.Newest() == need.Ref.Newest():
			return fmt.Errorf("%s is asked for in another version by %s; a worker has one", faults.Quote(need.Ref.String()), have.From)
		}
	}
	if len(w.Needs) <= params.MaxObjects { // one too many is enough to tell
		w.Needs = append(w.Needs, need)
	}
	return nil
}

// scopesAreKnown keeps a bundle whose scope is at fault from making every secret nobody's.
func (p *parser) scopesAreKnown() bool {
	return !slices.ContainsFunc(p.env.Workers, func(w Worker) bool { return w.Scope.IsZero() })
}

func (p *parser) ungranted(d declared) error {
	var scopes []string
	for _, w := range p.env.Workers {
		if d.bundles == nil || slices.Contains(d.bundles, w.Bundle) {
			scopes = append(scopes, faults.Quote(w.Scope.String()))
		}
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	const advice = "name a secret of a worker's own team or of its whole tenant (team %q), or correct the bundle's tenant_selector"
	if len(scopes) == 0 {
		return fmt.Errorf("%s is outside the scope of every worker: there is none; "+advice, faults.Quote(d.need.Ref.String()), secretref.WholeTenant)
	}
	return fmt.Errorf("%s is outside the scope of every worker that it is for (%s); "+advice,
		faults.Quote(d.need.Ref.String()), strings.Join(scopes, ", "), secretref.WholeTenant)
}
