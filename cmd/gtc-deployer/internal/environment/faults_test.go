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

// faults are the valid manifest with one thing changed, and the one fault that this makes.
var faults = map[string]struct {
	old, changed string
	fault        string
	is           error
}{
	"unknown field":      {`"trust_root"`, `"trustroot"`, "trustroot: unknown field; did you mean trust_root?", nil},
	"far from any field": {`"trust_root"`, `"zzzzzzzz"`, "zzzzzzzz: unknown field; known here: bundles, cluster,", nil},
	"hostile field":      {`"trust_root"`, `"a\nb"`, `"a\nb": unknown field`, nil},
	"field twice":        {`"trust_root": "bootstrap"`, `"trust_root": "bootstrap", "trust_root": "bootstrap"`, "trust_root: stands twice", nil},
	"another schema":     {`env-manifest.v1`, `env-manifest.v2`, `schema: is "greentic.env-manifest.v2"; want "greentic.env-manifest.v1"`, nil},
	"no schema":          {`"schema": "greentic.env-manifest.v1",`, ``, "schema: is missing", nil},
	"blank id":           {`"id": "prod"`, `"id": " "`, "environment.id: is empty", nil},
	"id of another type": {`"id": "prod"`, `"id": 7`, "environment.id: is a number; want text: put it in quotes", nil},
	"capital in id":      {`"id": "prod"`, `"id": "Prod"`, "environment.id: no secret has a reference in it", secretref.ErrCharacter},
	"slash in id":        {`"id": "prod"`, `"id": "a/b"`, "environment.id: no secret has a reference in it", secretref.ErrScope},
	"listen_addr":        {`127.0.0.1:8080`, `localhost`, `environment.listen_addr: "localhost" is no address with a port`, nil},
	"gui_enabled":        {`"gui_enabled": false`, `"gui_enabled": "no"`, "environment.gui_enabled: is text; want true or false", nil},
	"trust_root":         {`"trust_root": "bootstrap"`, `"trust_root": "other"`, `trust_root: is "other"; want "bootstrap"`, nil},
	"cluster provider":   {`"provider": "kind"`, `"provider": "eks"`, `cluster.provider: is "eks"; want "kind"`, nil},
	"cluster image":      {`["a:1"]`, `["a:1", " "]`, "cluster.load_images[1]: is empty", nil},
	"updates":            {`"poll_interval_secs": 60`, `"poll_interval_secs": 59`, `updates.poll_interval_secs: is "59"; want a whole number from 60`, nil},
	"updates action":     {`"on_notify": "stage"`, `"on_notify": "now"`, `updates.on_notify: is "now"; want record-only, stage or apply`, nil},
	"extension kind":     {`auth0@1.0.0`, `auth0`, `extensions[0].kind: "acme.oauth.auth0" is no pack`, nil},
	"extension instance": {`"instance_id": "one"`, `"instance_id": "One"`, `extensions[0].instance_id: "One": want`, nil},
	"extension twice": {
		`"extensions": [`, `"extensions": [{"kind": "acme.oauth.auth0@2.0.0", "pack_ref": "x", "instance_id": "one"},`,
		`extensions[1]: extension "acme.oauth.auth0", instance "one", stands twice`, nil,
	},
	"sor unit": {`"unit_id": "u", `, ``, "sor_units[0].unit_id: is missing", nil},

	"slot":            {`"slot": "deployer"`, `"slot": "messaging"`, `packs[0].slot: is "messaging"; want one of deployer, secrets`, nil},
	"slot twice":      {`"packs": [`, `"packs": [{"slot": "deployer", "kind": "a.b@1.0.0", "pack_ref": "x"},`, `packs[1].slot: "deployer" is bound already`, nil},
	"no pack_ref":     {`0.1.0", "pack_ref": "builtin"`, `0.1.0"`, "packs[1].pack_ref: is missing", nil},
	"both answers":    {`"answers": {"addr"`, `"answers_ref": "x", "answers": {"addr"`, "packs[1].answers: stands beside answers_ref", nil},
	"no addr":         {`"addr": " https://vault.example:8200/ ",`, ``, "packs[1].answers.addr: is missing", nil},
	"blank role":      {`"role": "gtc-worker"`, `"role": " "`, "packs[1].answers.role: is missing", nil},
	"addr scheme":     {`https://vault`, `ftp://vault`, "packs[1].answers.addr: is no address", nil},
	"addr with path":  {`:8200/ "`, `:8200/v1"`, "packs[1].answers.addr: is no address", nil},
	"addr with user":  {`https://vault.example`, `https://u:p@vault.example`, "packs[1].answers.addr: is no address", nil},
	"addr with query": {`:8200/ "`, `:8200?"`, "packs[1].answers.addr: is no address", nil},
	"answer unknown":  {`"kv_mount"`, `"kvmount"`, "packs[1].answers.kvmount: unknown field; did you mean kv_mount?", nil},
	"answer no text":  {`"kv_mount": "/kv/team/"`, `"kv_mount": 2`, "packs[1].answers.kv_mount: is a number; want text", nil},
	"mount with dots": {`/kv/team/`, `kv/../team`, `packs[1].answers.kv_mount: "kv/../team" is no path in Vault`, nil},
	"mount with glob": {`/kv/team/`, `kv/+`, `packs[1].answers.kv_mount: "kv/+" is no path in Vault`, nil},
	"mount of slash":  {`/kv/team/`, `/`, `packs[1].answers.kv_mount: "" is no path in Vault`, nil},
	"key with slash":  {`"transit_key": null`, `"transit_key": "a/b"`, `packs[1].answers.transit_key: "a/b" is the name of one key`, nil},
	"namespace":       {`"namespace": "",`, `"namespace": "a b",`, `packs[1].answers.namespace: "a b" is no path in Vault`, nil},
	"own namespace":   {`{"runtime_image"`, `{"namespace": "mine", "runtime_image"`, `packs[0].answers.namespace: "mine": with secrets from Vault`, nil},
	"image":           {`ghcr.io/acme/start:1`, `GHCR.io/x y`, `packs[0].answers.runtime_image: "GHCR.io/x y" is no image`, nil},
	"tunnel":          {`"tunnel": "cloudflared"`, `"tunnel": "ngrok"`, `packs[0].answers.tunnel: is "ngrok"; want off or cloudflared`, nil},
	"registry":        {`localhost:5000`, `a,b`, `packs[0].answers.oci_insecure_registries[0]: "a,b" is no registry`, nil},
	"deployer answer": {`"router_replicas"`, `"oci_password"`, "packs[0].answers.oci_password: unknown field", nil},

	"both lists":      {`"bundles": [`, `"secrets": [{"path": "acme/_/a/b"}], "bundles": [`, "secrets: stands beside vault_bootstrap", nil},
	"bootstrap mode":  {`"deploy": "external"`, `"deploy": "cloud"`, `vault_bootstrap.deploy: is "cloud"; want`, nil},
	"empty token":     {`canary-root-token`, ``, "vault_bootstrap.root_token: is empty", nil},
	"seed field":      {`"from_env": "SLACK"`, `"value": "xoxb"`, "vault_bootstrap.seed[0].value: unknown field; known here: from_env, path", nil},
	"blank from_env":  {`"from_env": "SLACK"`, `"from_env": ""`, "vault_bootstrap.seed[0].from_env: is empty", nil},
	"short path":      {`acme/support/zendesk/api_key`, `support/zendesk/api_key`, `vault_bootstrap.seed[2].path: "support/zendesk/api_key" has 3 parts`, nil},
	"path twice":      {`acme/support/zendesk/api_key`, `acme/_/openai/api_key`, `vault_bootstrap.seed[2].path: "acme/_/openai/api_key" stands twice`, nil},
	"team default":    {`/acme/_/openai`, `/acme/DEFAULT/openai`, `the team that means the whole tenant is written "_"`, nil},
	"name's spelling": {`zendesk/api_key`, `zendesk/API-Key`, `vault_bootstrap.seed[2].path: "acme/support/zendesk/API-Key": readers look for the name "api_key"`, nil},
	"path's alphabet": {`acme/support/zendesk`, `acme/support/zen%64esk`, "vault_bootstrap.seed[2].path: reference", secretref.ErrCharacter},
	"path that walks": {`acme/support/zendesk`, `acme/support/..`, "vault_bootstrap.seed[2].path: reference", secretref.ErrDotDot},
	"deployer's own":  {`acme/support/zendesk/api_key`, `default/_/k8s-deployer/deployer_token`, "is where Greentic's deployer keeps its own credential", nil},
	"another tenant": {
		`acme/support/zendesk/api_key`, `other/support/zendesk/api_key`,
		`vault_bootstrap.seed[2].path: "secret://prod/other/support/zendesk/api_key" is outside the scope of every worker that it is for ` +
			`("prod/acme/sales", "prod/acme/support")`, nil,
	},
	"a team without workers": {`acme/support/zendesk`, `acme/legal/zendesk`, "is outside the scope of every worker", nil},

	"no bundle_id":      {`"bundle_id": "crm", `, ``, "bundles[1].bundle_id: is missing", nil},
	"bundle twice":      {`"bundle_id": "old"`, `"bundle_id": "crm"`, `bundles[2].bundle_id: "crm" stands twice`, nil},
	"bundle's label":    {`"bundle_id": "crm"`, `"bundle_id": "a/b"`, `bundles[1].bundle_id: "a/b" cannot be a Kubernetes label`, nil},
	"no customer":       {`"bundle_id": "crm", "customer_id": "acme",`, `"bundle_id": "crm",`, "bundles[1].customer_id: is missing", nil},
	"blank customer":    {`"bundle_id": "crm", "customer_id": "acme",`, `"bundle_id": "crm", "customer_id": "",`, "bundles[1].customer_id: is empty", nil},
	"status":            {`"status": "active"`, `"status": "on"`, `bundles[0].status: is "on"; want active, paused or archived`, nil},
	"no source":         {`"bundle_source_uri": "oci://bundles.example/crm:1", `, ``, "bundles[1]: has no source", nil},
	"digest":            {`"sha256:abc"`, `"md5:abc"`, `bundles[1].bundle_digest: "md5:abc" is no digest`, nil},
	"image pin":         {`sha256:2222`, `sha256:AAAA`, "bundles[0].revisions[1].runtime_image_digest: ", nil},
	"shares":            {`6000`, `6001`, "bundles[0].revenue_share: comes to 10001 of 10000", nil},
	"share of a text":   {`"basis_points": 6000`, `"basis_points": "6000"`, `bundles[0].revenue_share[1].basis_points: is "6000"; want a whole number`, nil},
	"party twice":       {`"party_id": "acme"`, `"party_id": "greentic"`, `bundles[0].revenue_share[1].party_id: "greentic" stands twice`, nil},
	"overrides":         {`{"key": {"any": "thing"}}`, `"text"`, "bundles[0].config_overrides.pack: is text; want a map", nil},
	"no matcher":        {`"hosts": ["help.example"], `, ``, "bundles[0].route_binding.tenant_selector: stands without hosts", nil},
	"prefix":            {`"/crm"`, `"crm"`, `bundles[1].route_binding.path_prefixes[0]: "crm" does not start with "/"`, nil},
	"selector's team":   {`"team": "sales"`, `"team": "Sales"`, "bundles[1].route_binding.tenant_selector: scope", secretref.ErrCharacter},
	"selector's tenant": {`"tenant": "acme", "team": "sales"`, `"tenant": "other", "team": "sales"`, `tenant "other" is not the one that owns the environment, "acme"`, nil},
	"no team":           {`, "team": "sales"`, ``, "bundles[1].route_binding.tenant_selector.team: is missing", nil},
	"revisions' empty":  {`"bundle_source_uri": "oci://bundles.example/crm:1", "bundle_digest": "sha256:abc",`, `"revisions": [],`, "bundles[1].revisions: is an empty list", nil},
	"both forms":        {`"bundle_path": "old.gtbundle"`, `"bundle_path": "old.gtbundle", "revisions": [{"name": "a", "bundle_path": "p"}]`, "bundles[2].bundle_path: is for a bundle without revisions", nil},
	"revision twice":    {`"name": "green"`, `"name": "blue"`, `bundles[0].revisions[1].name: "blue" stands twice`, nil},
	"revision's label":  {`"name": "green"`, `"name": "-"`, `bundles[0].revisions[1].name: "-" cannot be a Kubernetes label`, nil},
	"revision's pin":    {`"sha256:1111`, `"sha256:X111`, `bundles[0].revisions[1].bundle_digest: "sha256:X111`, nil},
	"revision's source": {`"bundle_path": "help-1.gtbundle", `, ``, "bundles[0].revisions[0]: has no source", nil},
	"two weights":       {`"weight_percent": 90`, `"weight_percent": 90, "weight_bps": 9000`, "bundles[0].revisions[0]: has both weight_percent and weight_bps", nil},
	"half weights":      {`, "weight_percent": 90`, ``, "bundles[0].revisions: some revisions have a weight", nil},
	"weights' sum":      {`"weight_percent": 90`, `"weight_percent": 80`, "bundles[0].revisions: weights come to 9000 of 10000", nil},

	"endpoint's name":     {`"name": "line", `, ``, "messaging_endpoints[0].name: is missing", nil},
	"endpoint's link":     {`"links": ["helpdesk"]`, `"links": ["helpdesk", "none"]`, `messaging_endpoints[0].links[1]: "none" is not in bundles[]`, nil},
	"link twice":          {`"links": ["helpdesk"]`, `"links": ["helpdesk", "helpdesk"]`, `messaging_endpoints[0].links[1]: "helpdesk" stands twice`, nil},
	"welcome flow":        {`"flow_id": "main"`, `"flow_id": ""`, "messaging_endpoints[0].welcome_flow.flow_id: is empty", nil},
	"endpoint's webhook":  {`"name": "line", `, `"name": "line", "webhook_secret_ref": "x", `, "messaging_endpoints[0].webhook_secret_ref: unknown field", nil},
	"reference's form":    {`secret://prod/acme/_/messaging-telegram/`, `secret://prod/acme/`, "messaging_endpoints[0].secret_refs[0]: reference", secretref.ErrSegments},
	"empty reference":     {`"secret_refs": [`, `"secret_refs": ["", `, `messaging_endpoints[0].secret_refs[0]: reference "": `, secretref.ErrScheme},
	"reference no text":   {`"secret_refs": [`, `"secret_refs": [7, `, "messaging_endpoints[0].secret_refs[0]: is a number; want text", nil},
	"empty link":          {`"links": ["helpdesk"]`, `"links": ["helpdesk", ""]`, `messaging_endpoints[0].links[1]: "" is not in bundles[]`, nil},
	"link no text":        {`"links": ["helpdesk"]`, `"links": ["helpdesk", null]`, "messaging_endpoints[0].links[1]: is null; want text", nil},
	"another environment": {`secret://prod/acme/_/`, `secret://dev/acme/_/`, `is of environment "dev", and this one is "prod"`, nil},
	"a link's other team": {
		`secret://prod/acme/_/messaging-telegram`, `secret://prod/acme/sales/messaging-telegram`,
		`messaging_endpoints[0].secret_refs[0]: "secret://prod/acme/sales/messaging-telegram/telegram_bot_token" is outside the scope of every ` +
			`worker that it is for ("prod/acme/support")`, nil,
	},
	"another version": {
		`"secret_refs": [`, `"secret_refs": ["secret://prod/acme/_/openai/api_key@3", `,
		`messaging_endpoints[0].secret_refs[0]: "secret://prod/acme/_/openai/api_key@3" is asked for in another version by vault_bootstrap.seed[1].path`, nil,
	},
}

func TestOneFault(t *testing.T) {
	for name, row := range faults {
		t.Run(name, func(t *testing.T) {
			text := valid
			require.Equal(t, 1, strings.Count(text, row.old), "the mutation %q must hit one place", row.old)
			_, err := environment.Parse([]byte(strings.Replace(text, row.old, row.changed, 1)), nil)
			require.ErrorIs(t, err, environment.ErrInvalid)
			assert.ErrorContains(t, err, row.fault)
			if row.is != nil {
				require.ErrorIs(t, err, row.is)
			}
			assert.NotContains(t, err.Error(), "canary-root-token")
			assert.Len(t, strings.Split(err.Error(), "\n"), 1, "one fault, told once: %v", err)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	text := valid
	for _, change := range [][2]string{
		{`"deploy": "external"`, `"deploy": "cloud"`},
		{`127.0.0.1:8080`, `localhost`},
		{`"team": "sales"`, `"team": "Sales"`},
		{`"role": "gtc-worker"`, `"role": ""`},
		{`"weight_percent": 90`, `"weight_percent": 80`},
		{`secret://prod/acme/_/`, `secret://dev/acme/_/`},
	} {
		text = strings.Replace(text, change[0], change[1], 1)
	}
	_, err := environment.Parse([]byte(text), nil)
	require.ErrorIs(t, err, environment.ErrInvalid)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 6, err.Error())
	for i, path := range []string{
		"environment.listen_addr: ", "packs[1].answers.role: ", "bundles[0].revisions: ", "bundles[1].route_binding.tenant_selector: ",
		"vault_bootstrap.deploy: ", "messaging_endpoints[0].secret_refs[0]: ",
	} {
		assert.True(t, strings.HasPrefix(lines[i], path), "%s, want %s", lines[i], path)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, `"field%04d": 1, `, i)
	}
	_, err := environment.Parse([]byte("{"+fields.String()+strings.TrimPrefix(minimal, "{")), nil)
	require.ErrorIs(t, err, environment.ErrInvalid)
	assert.ErrorContains(t, err, "and 4900 faults more")
	assert.Len(t, strings.Split(err.Error(), "\n"), 101)
}

func TestWhatIsNoManifest(t *testing.T) {
	for name, row := range map[string]struct{ text, fault string }{
		"nothing":         {"", "manifest: is empty"},
		"blanks":          {" \n", "manifest: is empty"},
		"half JSON":       {`{"schema": `, "manifest: is not JSON: it ends too early"},
		"JSON and more":   {minimal + "{}", "manifest: holds something after its JSON"},
		"a JSON list":     {"[]", "manifest: is a list; want a map"},
		"a text":          {"hello", "manifest: is text; want a map"},
		"no UTF-8":        {"a: \xff", "manifest: is not UTF-8"},
		"deep JSON":       {strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "more than 32 deep"},
		"deep YAML":       {"a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "more than 32 deep"},
		"a YAML bomb":     {"a: &a [x]\nb: [*a, *a]\n", "manifest: line 1: YAML anchors and aliases are refused"},
		"a YAML tag":      {"schema: !!binary aGk=\n", `manifest: line 1: YAML tags are refused; write the value without "!!binary"`},
		"two documents":   {"a: 1\n---\nb: 2\n", "manifest: holds more than one YAML document"},
		"no YAML":         {"a: [", "manifest: is not YAML: "},
		"a list as name":  {"? [a]\n: b\n", "manifest: line 1: the name of a field is plain text"},
		"too large":       {strings.Repeat(" ", environment.MaxManifest) + "{}", "manifest: has more than 1048576 bytes"},
		"no environment":  {`{"schema": "greentic.env-manifest.v1"}`, "environment: is missing"},
		"id as a label":   {strings.Replace(minimal, "local", "local-", 1), `environment.id: "local-" cannot be a Kubernetes label`},
		"answers no map":  {strings.Replace(minimal, `"bundles"`, `"packs": [{"slot": "secrets", "kind": "greentic.secrets.vault@1.0.0", "pack_ref": "b", "answers": []}], "bundles"`, 1), "packs[0].answers: is a list; want a map"},
		"own namespace":   {strings.Replace(minimal, `"bundles"`, `"packs": [{"slot": "deployer", "kind": "greentic.deployer.k8s@1.0.0", "pack_ref": "b", "answers": {"namespace": "-"}}], "bundles"`, 1), `packs[0].answers.namespace: "-" is no namespace`},
		"a date as id":    {"schema: greentic.env-manifest.v1\nenvironment: {id: 2026-01-31}\n", "environment.id: is not text to YAML; want text: put it in quotes"},
		"null as a list":  {`{"schema": "greentic.env-manifest.v1", "environment": {"id": "a"}, "bundles": null}`, "bundles: is null; want a list"},
		"a map as a list": {`{"schema": "greentic.env-manifest.v1", "environment": {"id": "a"}, "bundles": {}}`, "bundles: is a map; want a list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := environment.Parse([]byte(row.text), nil)
			require.ErrorIs(t, err, environment.ErrInvalid)
			assert.ErrorContains(t, err, row.fault)
		})
	}
}
