package environment

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// local is the one environment whose bundles need no customer_id.
const local = "local"

// defaultTenant is the tenant of a bundle without a tenant_selector; its team is the whole tenant.
const defaultTenant = "default"

// whole is all of something in basis points.
const whole = 10_000

var (
	pin    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	digest = regexp.MustCompile(`^sha256:.+$`)
)

func (p *parser) bundleList(list []node) {
	p.bundles = make(map[string]bool, len(list))
	for i, n := range list {
		p.bundle(fmt.Sprintf("bundles[%d]", i), n)
	}
	slices.SortFunc(p.env.Workers, func(a, b Worker) int {
		return cmp.Or(strings.Compare(a.Bundle, b.Bundle), strings.Compare(a.Revision, b.Revision))
	})
}

func (p *parser) bundle(at string, n node) {
	o := p.object(at, n, "bundle_id", "bundle_path", "revisions", "customer_id", "revenue_share", "status", "config_overrides",
		"route_binding", "bundle_source_uri", "bundle_digest", "runtime_image_digest")
	runs := p.status(o) != "archived"
	worker := Worker{
		Bundle:      o.required("bundle_id"),
		Scope:       p.routeScope(o, runs),
		SourceURI:   o.filled("bundle_source_uri"),
		Digest:      o.digest("bundle_digest", digest),
		ImageDigest: o.digest("runtime_image_digest", pin),
	}
	if worker.Bundle != "" {
		p.faults.Add(at+".bundle_id", checkLabel(worker.Bundle))
		if _, twice := p.bundles[worker.Bundle]; twice {
			p.faults.Addf(at+".bundle_id", "%s stands twice; a bundle is declared once", faults.Quote(worker.Bundle))
		}
	}
	if customer := o.filled("customer_id"); customer == "" && p.env.ID != local {
		if _, given := o.given("customer_id"); !given {
			p.faults.Addf(at+".customer_id", "is missing; every environment but %s names who pays", faults.Quote(local))
		}
	}
	p.shares(o)
	p.overrides(o)
	workers := p.revisions(o, worker)
	p.bundles[worker.Bundle] = runs
	if runs {
		p.env.Workers = append(p.env.Workers, workers...)
	} else {
		p.archived = append(p.archived, workers...)
	}
}

func (o object) digest(name string, form *regexp.Regexp) string {
	text := o.text(name)
	if _, given := o.given(name); given && !form.MatchString(text) {
		o.faults.Addf(o.at(name), `%s is no digest: want "sha256:" and 64 hex digits`, faults.Quote(text))
	}
	return text
}

func (p *parser) status(o object) string {
	status := o.text("status")
	if _, given := o.given("status"); given && !slices.Contains([]string{"active", "paused", "archived"}, status) {
		p.faults.Addf(o.at("status"), "is %s; want active, paused or archived", faults.Quote(status))
	}
	return status
}

// routeScope is the scope of a bundle's workers. A bundle that does not run may be anybody's.
func (p *parser) routeScope(bundle object, runs bool) secretref.Scope {
	tenant, team, at := defaultTenant, secretref.WholeTenant, bundle.at("route_binding")
	if n, given := bundle.given("route_binding"); given {
		o := p.openObject(at, n)
		hosts, prefixes := o.texts("hosts"), o.texts("path_prefixes")
		for i, prefix := range prefixes {
			if !strings.HasPrefix(prefix, "/") {
				p.faults.Addf(fmt.Sprintf("%s[%d]", o.at("path_prefixes"), i), "%s does not start with %s", faults.Quote(prefix), faults.Quote("/"))
			}
		}
		if n, given := o.given("tenant_selector"); given {
			at = o.at("tenant_selector")
			selector := p.openObject(at, n)
			tenant, team = selector.required("tenant"), selector.required("team")
			if len(hosts)+len(prefixes) == 0 {
				p.faults.Addf(at, "stands without hosts and path_prefixes: nothing could reach the bundle; add one")
			}
			if tenant == "" || team == "" {
				return secretref.Scope{}
			}
		}
	}
	if !p.idIsSound() {
		return secretref.Scope{}
	}
	scope, err := secretref.ParseScope(p.env.ID + "/" + tenant + "/" + team)
	p.faults.Add(at, err)
	if owner := p.env.TenantOrg; runs && err == nil && owner != "" && p.env.Backend == Vault && owner != scope.Tenant() {
		p.faults.Addf(at, "tenant %s is not the one that owns the environment, %s (environment.tenant_org_id); "+
			"name that tenant, or give the other one an environment of its own", faults.Quote(scope.Tenant()), faults.Quote(owner))
		return secretref.Scope{}
	}
	return scope
}

// revisions are the bundle's workers: one for each of its revisions, or else the bundle's own.
func (p *parser) revisions(bundle object, worker Worker) []Worker {
	list, split := bundle.optionalList("revisions")
	if !split {
		bundle.text("bundle_path")
		if _, given := bundle.given("bundle_path"); !given && worker.SourceURI == "" {
			p.faults.Addf(bundle.path, "has no source; give it a bundle_source_uri, a bundle_path or revisions")
		}
		return []Worker{worker}
	}
	for _, name := range []string{"bundle_path", "bundle_source_uri", "bundle_digest", "runtime_image_digest"} {
		if _, given := bundle.given(name); given {
			p.faults.Addf(bundle.at(name), "is for a bundle without revisions; put it into each revision")
		}
	}
	if len(list) == 0 {
		p.faults.Addf(bundle.at("revisions"), "is an empty list; name a revision or leave it out")
		return []Worker{worker}
	}
	workers := make([]Worker, len(list))
	weights := make([]int64, 0, len(list))
	seen := make(map[string]bool, len(list))
	for i, n := range list {
		at := fmt.Sprintf("%s[%d]", bundle.at("revisions"), i)
		var weight []int64
		workers[i], weight = p.revision(at, n, worker)
		weights = append(weights, weight...)
		if name := workers[i].Revision; name != "" && seen[name] {
			p.faults.Addf(at+".name", "%s stands twice; a revision's name is its own", faults.Quote(name))
		}
		seen[workers[i].Revision] = true
	}
	p.weights(bundle.at("revisions"), len(list), weights)
	return workers
}

func (p *parser) revision(at string, n node, worker Worker) (Worker, []int64) {
	o := p.object(at, n, "name", "bundle_path", "weight_percent", "weight_bps", "drain_seconds", "abort_metrics",
		"bundle_source_uri", "bundle_digest", "runtime_image_digest")
	worker.Revision = o.required("name")
	if worker.Revision != "" {
		p.faults.Add(at+".name", checkLabel(worker.Revision))
	}
	worker.SourceURI = o.filled("bundle_source_uri")
	worker.ImageDigest = o.digest("runtime_image_digest", pin)
	o.number("drain_seconds", 0, 1<<32-1)
	o.texts("abort_metrics")
	o.text("bundle_path")
	form := digest
	if _, given := o.given("bundle_path"); !given {
		// Upstream compares the pin of what it fetches byte for byte.
		form = pin
		if _, pinned := o.given("bundle_digest"); worker.SourceURI == "" || !pinned {
			p.faults.Addf(at, "has no source; give it a bundle_path, or a bundle_source_uri with its bundle_digest")
		}
	}
	worker.Digest = o.digest("bundle_digest", form)
	percent, inPercent := o.number("weight_percent", 0, 100)
	points, inPoints := o.number("weight_bps", 0, whole)
	switch {
	case inPercent && inPoints:
		p.faults.Addf(at, "has both weight_percent and weight_bps; leave one of the two out")
		fallthrough
	case inPercent:
		return worker, []int64{percent * whole / 100}
	case inPoints:
		return worker, []int64{points}
	}
	return worker, nil
}

// weights checks that all revisions have a weight, or none has one.
func (p *parser) weights(at string, revisions int, weights []int64) {
	var sum int64
	for _, weight := range weights {
		sum += weight
	}
	switch {
	case len(weights) == 0:
	case len(weights) != revisions:
		p.faults.Addf(at, "some revisions have a weight and some have none; give it to all or to none")
	case sum != whole:
		p.faults.Addf(at, "weights come to %d of %d basis points; they must come to all of them", sum, whole)
	}
}

func (p *parser) shares(bundle object) {
	list, given := bundle.optionalList("revenue_share")
	if !given {
		return
	}
	var sum int64
	seen := make(map[string]bool, len(list))
	for i, n := range list {
		o := p.openObject(fmt.Sprintf("%s[%d]", bundle.at("revenue_share"), i), n)
		party := o.required("party_id")
		if seen[party] && party != "" {
			p.faults.Addf(o.at("party_id"), "%s stands twice", faults.Quote(party))
		}
		seen[party] = true
		points, found := o.number("basis_points", 0, whole)
		if _, written := o.given("basis_points"); !written {
			p.faults.Addf(o.at("basis_points"), "is missing")
		} else if !found {
			return // the sum of what is no number says nothing
		}
		sum += points
	}
	if sum != whole {
		p.faults.Addf(bundle.at("revenue_share"), "comes to %d of %d basis points; it must come to all of them", sum, whole)
	}
}

// overrides checks the shape of config_overrides, <pack> to <key> to any value, and keeps nothing: a value may be what nobody should see.
func (p *parser) overrides(bundle object) {
	n, given := bundle.given("config_overrides")
	if !given {
		return
	}
	packs := p.openObject(bundle.at("config_overrides"), n)
	for _, name := range sortedNames(packs.fields) {
		p.openObject(packs.at(name), packs.fields[name])
	}
}
