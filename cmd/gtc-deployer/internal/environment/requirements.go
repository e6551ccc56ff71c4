package environment

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Requirements is a pack's secret-requirements.json and the bundle whose workers need what it lists.
type Requirements struct {
	Name     string // how faults name the document, such as its file's path
	Bundle   string // bundle_id
	Pack     string // the pack's id, the category of its secrets; "" takes what stands before a key's "/", or else "configs"
	Document []byte
}

// defaultCategory is the category of a requirement whose pack is not known and whose key names none.
const defaultCategory = "configs"

// requirements reads the documents and declares their needs. A requirement's secret is its bundle's team's, with the whole tenant's in its
// place where the team has none, as the worker looks it up; one that names a team is that team's and nobody else's. Its name is the key as
// readers spell it, its category the pack, or else what stands before the key's "/", or else "configs".
func (p *parser) requirements(list []Requirements) {
	for _, r := range list {
		r.Name = fileName(r.Name)
		tree, err := parseDocument(r.Document, MaxRequirements)
		if err != nil {
			p.faults.Add(r.Name, err)
			continue
		}
		runs, known := p.bundles[r.Bundle]
		switch {
		case !known:
			p.faults.Addf(r.Name, "its bundle %s is not in bundles[]", faults.Quote(r.Bundle))
		case !runs:
			p.faults.Addf(r.Name, "its bundle %s is archived and has no worker", faults.Quote(r.Bundle))
		case tree.kind != kindList:
			p.faults.Addf(r.Name, "is %s; want a list of requirements", tree.kind)
		default:
			for i, n := range tree.items {
				p.requirement(fmt.Sprintf("%s[%d]", r.Name, i), n, r)
			}
		}
	}
}

var requirementKey = regexp.MustCompile(`^[A-Za-z0-9._-][A-Za-z0-9._/-]*$`)

// requirement passes over fields that it does not know, as upstream's readers do: the document is a pack's, and packs are newer than we.
func (p *parser) requirement(at string, n node, r Requirements) {
	o := p.openObject(at, n)
	key := o.text("key")
	if key == "" {
		key = o.text("name")
	}
	scope := p.bundleScope(r.Bundle)
	required := o.truth("required", true)
	team, err := p.requirementTeam(o, scope)
	if err != nil {
		p.faults.Add(at+".scope", err)
		return
	}
	if n.kind != kindMap || scope.IsZero() {
		return // what is wrong has been said
	}
	if !requirementKey.MatchString(key) || strings.Contains(key, "..") {
		p.faults.Addf(o.at("key"), "%s is no secret's key: want A-Z, a-z, 0-9, '.', '_', '/' and '-', no '/' in front and no '..'", faults.Quote(key))
		return
	}
	need := Need{Optional: !required, From: o.at("key")}
	if team == "" {
		team = scope.Team()
		need.Fallback = team != secretref.WholeTenant
	}
	need.Ref, err = secretref.Parse("secret://" + scope.Env() + "/" + scope.Tenant() + "/" + team + "/" + categoryAndName(r.Pack, key))
	p.faults.Add(o.at("key"), err)
	p.declare(need, []string{r.Bundle})
}

// categoryAndName is <category>/<name> of a requirement's secret.
func categoryAndName(pack, key string) string {
	if pack != "" {
		return pack + "/" + canonicalName(key)
	}
	if category, name, found := strings.Cut(key, "/"); found {
		return category + "/" + canonicalName(name)
	}
	return defaultCategory + "/" + canonicalName(key)
}

// requirementTeam is the team that the requirement names, "" for none. Its environment and tenant, where they are no placeholders such as
// <tenant>, are the bundle's.
func (p *parser) requirementTeam(o object, scope secretref.Scope) (string, error) {
	var team string
	if n, given := o.given("scope"); given {
		named := p.openObject(o.at("scope"), n)
		for _, part := range []struct{ name, ours string }{{"env", scope.Env()}, {"tenant", scope.Tenant()}} {
			if text := named.text(part.name); text != "" && !placeholder(text) && text != part.ours {
				return "", fmt.Errorf("%s %s is not the bundle's, %s", part.name, faults.Quote(text), faults.Quote(part.ours))
			}
		}
		team = named.text("team")
	}
	if n, given := o.given("generated"); given {
		generated := p.openObject(o.at("generated"), n)
		if n, given := generated.given("scope"); given {
			minted := p.openObject(generated.at("scope"), n)
			team = minted.text("team")
			if strings.EqualFold(minted.text("level"), "tenant") {
				team = secretref.WholeTenant
			}
		}
	}
	switch {
	case placeholder(team):
		return "", nil
	case strings.ContainsRune(team, '/'):
		return "", errors.New("a team holds no '/'")
	}
	return team, nil
}

func placeholder(text string) bool {
	return strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">")
}

func (p *parser) bundleScope(bundle string) secretref.Scope {
	for _, w := range p.env.Workers {
		if w.Bundle == bundle {
			return w.Scope
		}
	}
	return secretref.Scope{}
}
