package environment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// teams has two teams and one worker for the whole tenant, and no secrets.
const teams = `{"schema": "greentic.env-manifest.v1", "environment": {"id": "dev"}, "secrets": [%s], "messaging_endpoints": [%s], "bundles": [
	{"bundle_id": "sales", "customer_id": "c", "bundle_path": "p", "route_binding": {"hosts": ["a"], "tenant_selector": {"tenant": "acme", "team": "sales"}}},
	{"bundle_id": "all", "customer_id": "c", "bundle_path": "p", "route_binding": {"hosts": ["b"], "tenant_selector": {"tenant": "acme", "team": "Default"}}},
	{"bundle_id": "support", "customer_id": "c", "bundle_path": "p", "route_binding": {"hosts": ["c"], "tenant_selector": {"tenant": "acme", "team": "support"}}},
	{"bundle_id": "old", "customer_id": "c", "bundle_path": "p", "status": "archived", "route_binding": {"hosts": ["d"], "tenant_selector": {"tenant": "acme", "team": "legal"}}}]}`

// needs are the references of each bundle's worker, with "?" for what is optional and "+" for what falls back.
func needs(env environment.Environment) map[string][]string {
	texts := make(map[string][]string)
	for _, w := range env.Workers {
		texts[w.Bundle] = nil
		for _, need := range w.Needs {
			text := strings.TrimPrefix(need.Ref.String(), "secret://dev/acme/")
			if need.Optional {
				text += "?"
			}
			if need.Fallback {
				text += "+"
			}
			texts[w.Bundle] = append(texts[w.Bundle], text)
		}
	}
	return texts
}

func TestEachWorkerNeedsWhatItsScopeGrants(t *testing.T) {
	for name, row := range map[string]struct {
		secrets, endpoints string
		requirements       []environment.Requirements
		want               map[string][]string
	}{
		"nothing": {want: map[string][]string{"all": nil, "sales": nil, "support": nil}},
		"declared by path": {
			secrets: `{"path": "acme/sales/slack/token"}, {"path": "acme/_/openai/api_key"}`,
			want: map[string][]string{
				"all": {"_/openai/api_key"}, "sales": {"_/openai/api_key", "sales/slack/token"}, "support": {"_/openai/api_key"},
			},
		},
		"an endpoint's, linked": {
			endpoints: `{"name": "e", "provider_type": "t", "links": ["sales", "support"], "secret_refs": ["secret://dev/acme/sales/t/a", "secrets://dev/acme/default/t/b"]}`,
			want:      map[string][]string{"all": nil, "sales": {"_/t/b", "sales/t/a"}, "support": {"_/t/b"}},
		},
		"an archived bundle's": {
			secrets:   `{"path": "acme/legal/p/a"}`,
			endpoints: `{"name": "e", "provider_type": "t", "links": ["old"], "secret_refs": ["secret://dev/acme/legal/t/a"]}`,
			want:      map[string][]string{"all": nil, "sales": nil, "support": nil},
		},
		"an endpoint's, without links": {
			endpoints: `{"name": "e", "provider_type": "t", "secret_refs": ["secret://dev/acme/_/t/a"]}`,
			want:      map[string][]string{"all": {"_/t/a"}, "sales": {"_/t/a"}, "support": {"_/t/a"}},
		},
		"a pack's": {
			requirements: []environment.Requirements{{Name: "r", Bundle: "sales", Pack: "messaging-slack", Document: []byte(
				`[{"key": "SLACK_BOT_TOKEN"}, {"key": "openai/API.key", "required": false, "future_field": {}}, {"name": "by-name"}]`)}},
			want: map[string][]string{"all": nil, "support": nil, "sales": {
				"sales/messaging-slack/by_name+", "sales/messaging-slack/openai_api_key?+", "sales/messaging-slack/slack_bot_token+",
			}},
		},
		"a pack's, without its id": {
			requirements: []environment.Requirements{{Name: "r", Bundle: "sales", Document: []byte(`[{"key": "openai/API.key"}, {"key": "TEST_API_KEY"}]`)}},
			want:         map[string][]string{"all": nil, "support": nil, "sales": {"sales/configs/test_api_key+", "sales/openai/api_key+"}},
		},
		"a pack's, of the whole tenant": {
			requirements: []environment.Requirements{{Name: "r", Bundle: "all", Pack: "p", Document: []byte(`[{"key": "A"}]`)}},
			want:         map[string][]string{"all": {"_/p/a"}, "sales": nil, "support": nil},
		},
		"a pack's, with scopes": {
			requirements: []environment.Requirements{{Name: "r", Bundle: "sales", Pack: "p", Document: []byte(`[
				{"key": "A", "scope": {"env": "<env>", "tenant": "<tenant>", "team": "<team>"}},
				{"key": "B", "scope": {"env": "dev", "tenant": "acme", "team": "_"}},
				{"key": "C", "scope": {"team": "default"}},
				{"key": "D", "generated": {"policy": "random", "scope": {"level": "Tenant"}}},
				{"key": "E", "generated": {"policy": "random", "scope": {"level": "team", "team": "_"}}},
				{"key": "F", "generated": {"policy": "random"}},
				{"key": "G", "generated": {"scope": {"team": "sales"}}}]`)}},
			want: map[string][]string{"all": nil, "support": nil, "sales": {"_/p/b", "_/p/c", "_/p/d", "_/p/e", "sales/p/a+", "sales/p/f+", "sales/p/g"}},
		},
		"asked for twice": {
			secrets: `{"path": "acme/sales/p/a"}`,
			requirements: []environment.Requirements{
				{Name: "r", Bundle: "sales", Pack: "p", Document: []byte(`[{"key": "A", "required": false}, {"key": "B", "required": false}, {"key": "B"}]`)},
			},
			want: map[string][]string{"all": nil, "support": nil, "sales": {"sales/p/a", "sales/p/b+"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, err := environment.Parse(fmt.Appendf(nil, teams, row.secrets, row.endpoints), nil, row.requirements...)
			require.NoError(t, err)
			assert.Equal(t, row.want, needs(env))
		})
	}
}

func TestRequirementFaults(t *testing.T) {
	for name, row := range map[string]struct {
		bundle, pack, document, fault string
		is                            error
	}{
		"no such bundle":   {"none", "p", `[]`, `needs.json: its bundle "none" is not in bundles[]`, nil},
		"archived":         {"old", "p", `[]`, `needs.json: its bundle "old" is archived and has no worker`, nil},
		"no list":          {"sales", "p", `{}`, "needs.json: is a map; want a list of requirements", nil},
		"no JSON":          {"sales", "p", `[`, "needs.json: is not JSON", nil},
		"no map":           {"sales", "p", `["A"]`, "needs.json[0]: is text; want a map", nil},
		"no key":           {"sales", "p", `[{}]`, `needs.json[0].key: "" is no secret's key`, nil},
		"rooted key":       {"sales", "p", `[{"key": "/A"}]`, `needs.json[0].key: "/A" is no secret's key`, nil},
		"key that walks":   {"sales", "p", `[{"key": "a/../b"}]`, `needs.json[0].key: "a/../b" is no secret's key`, nil},
		"category":         {"sales", "Pack", `[{"key": "A"}]`, "needs.json[0].key: reference", secretref.ErrCharacter},
		"required":         {"sales", "p", `[{"key": "A", "required": "yes"}]`, "needs.json[0].required: is text; want true or false", nil},
		"another env":      {"sales", "p", `[{"key": "A", "scope": {"env": "prod"}}]`, `needs.json[0].scope: env "prod" is not the bundle's, "dev"`, nil},
		"another tenant":   {"sales", "p", `[{"key": "A", "scope": {"tenant": "other"}}]`, `needs.json[0].scope: tenant "other" is not the bundle's, "acme"`, nil},
		"another team":     {"sales", "p", `[{"key": "A", "scope": {"team": "support"}}]`, `is outside the scope of every worker that it is for ("dev/acme/sales")`, nil},
		"team with slash":  {"sales", "p", `[{"key": "A", "scope": {"team": "a/b"}}]`, "needs.json[0].scope: a team holds no '/'", nil},
		"deployer's own":   {"sales", "p", strings.Repeat(" ", environment.MaxRequirements) + `[]`, "needs.json: has more than 1048576 bytes", nil},
		"every one of two": {"sales", "p", `[{"key": "/A"}, {"key": "/B"}]`, `needs.json[1].key: "/B" is no secret's key`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := environment.Parse(fmt.Appendf(nil, teams, "", ""), nil,
				environment.Requirements{Name: "needs.json", Bundle: row.bundle, Pack: row.pack, Document: []byte(row.document)})
			require.ErrorIs(t, err, environment.ErrInvalid)
			assert.ErrorContains(t, err, row.fault)
			if row.is != nil {
				require.ErrorIs(t, err, row.is)
			}
		})
	}
}

func TestAHostileFileNameStaysOnOneLine(t *testing.T) {
	_, err := environment.Parse(fmt.Appendf(nil, teams, "", ""), nil, environment.Requirements{Name: "a\nb", Bundle: "sales", Document: []byte("{}")})
	require.EqualError(t, err, `"a\nb": is a map; want a list of requirements`)
}

func TestAWorkerHasABoundedNumberOfSecrets(t *testing.T) {
	paths := make([]string, 257)
	for i := range paths {
		paths[i] = fmt.Sprintf(`{"path": "acme/sales/p/n%d"}`, i)
	}
	_, err := environment.Parse(fmt.Appendf(nil, teams, strings.Join(paths, ","), ""), nil)
	require.ErrorIs(t, err, environment.ErrInvalid)
	assert.ErrorContains(t, err, `bundles: "sales" needs more than 256 secrets`)
	_, err = environment.Parse(fmt.Appendf(nil, teams, strings.Join(paths[1:], ","), ""), nil)
	require.NoError(t, err)
}
