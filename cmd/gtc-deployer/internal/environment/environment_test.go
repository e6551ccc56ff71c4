package environment_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// valid is a manifest that uses every part of the format; the tables mutate it. Upstream's rules take it too.
const valid = `{
  "schema": "greentic.env-manifest.v1",
  "environment": {"id": "prod", "name": "Production", "region": "eu-west-1", "tenant_org_id": "acme", "listen_addr": "127.0.0.1:8080",
    "public_base_url": null, "gui_enabled": false, "default_bundle": "crm"},
  "trust_root": "bootstrap",
  "cluster": {"provider": "kind", "name": "demo", "load_images": ["a:1"]},
  "updates": {"on_notify": "stage", "poll_interval_secs": 60, "trust_did": null, "push_enabled": true},
  "extensions": [{"kind": "acme.oauth.auth0@1.0.0", "pack_ref": "builtin", "instance_id": "one"}],
  "sor_units": [{"unit_id": "u", "sor": "s", "pack_ref": "p", "image": "i", "tenant_id": "acme", "answers_ref": "a", "postgres_url_ref": "b",
    "shared_secret_ref": "c", "postgres_ca_ref": null}],
  "packs": [
    {"slot": "deployer", "kind": "greentic.deployer.k8s@1.0.0", "pack_ref": "builtin", "answers": {"runtime_image": "ghcr.io/acme/start:1",
      "init_image": "busybox:1", "tunnel": "cloudflared", "oci_insecure_registries": ["localhost:5000"], "router_replicas": "3"}},
    {"slot": "secrets", "kind": "greentic.secrets.vault@0.1.0", "pack_ref": "builtin",
      "answers": {"addr": " https://vault.example:8200/ ", "role": "gtc-worker", "kv_mount": "/kv/team/", "namespace": "", "transit_key": null}}
  ],
  "vault_bootstrap": {"deploy": "external", "namespace": "greentic", "image": "hashicorp/vault:1.17", "root_token": "canary-root-token",
    "seed": [
      {"path": "acme/sales/messaging-slack/slack_bot_token", "from_env": "SLACK"},
      {"path": "/acme/_/openai/api_key"},
      {"path": "acme/support/zendesk/api_key"}
    ]},
  "bundles": [
    {"bundle_id": "helpdesk", "customer_id": "acme", "status": "active",
      "config_overrides": {"pack": {"key": {"any": "thing"}}},
      "revenue_share": [{"party_id": "greentic", "basis_points": 4000}, {"party_id": "acme", "basis_points": 6000}],
      "route_binding": {"hosts": ["help.example"], "tenant_selector": {"tenant": "acme", "team": "support"}},
      "revisions": [
        {"name": "blue", "bundle_path": "help-1.gtbundle", "weight_percent": 90},
        {"name": "green", "bundle_source_uri": "oci://bundles.example/help:2", "weight_bps": 1000, "drain_seconds": 30, "abort_metrics": ["errors"],
          "bundle_digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "runtime_image_digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222"}
      ]},
    {"bundle_id": "crm", "customer_id": "acme", "bundle_source_uri": "oci://bundles.example/crm:1", "bundle_digest": "sha256:abc",
      "route_binding": {"path_prefixes": ["/crm"], "tenant_selector": {"tenant": "acme", "team": "sales"}}},
    {"bundle_id": "old", "customer_id": "acme", "bundle_path": "old.gtbundle", "status": "archived"}
  ],
  "messaging_endpoints": [
    {"name": "line", "provider_type": "messaging.telegram.bot", "links": ["helpdesk"],
      "welcome_flow": {"bundle_id": "helpdesk", "pack_id": "p", "flow_id": "main"},
      "secret_refs": ["secret://prod/acme/_/messaging-telegram/telegram_bot_token"]}
  ]
}`

func TestParse(t *testing.T) {
	env, err := environment.Parse([]byte(valid), nil)
	require.NoError(t, err)
	assert.Equal(t, "prod", env.ID)
	assert.Equal(t, "acme", env.TenantOrg)
	assert.Equal(t, environment.Vault, env.Backend)
	assert.Equal(t, environment.VaultBinding{
		Address: "https://vault.example:8200", Role: "gtc-worker", KVMount: "kv/team", KVPrefix: "greentic",
		AuthMount: "kubernetes", TransitMount: "transit", TransitKey: "greentic",
	}, env.Vault)
	assert.Equal(t, environment.Runtime{
		Image: "ghcr.io/acme/start:1", InitImage: "busybox:1", Cloudflared: true, InsecureRegistries: []string{"localhost:5000"},
	}, env.Runtime)
	assert.Equal(t, []secretref.Scope{secretref.MustParseScope("prod/acme/sales"), secretref.MustParseScope("prod/acme/support")}, env.Scopes())
	assert.NotContains(t, fmt.Sprintf("%+v", env), "canary-root-token")

	support := []environment.Need{
		{Ref: secretref.MustParse("secret://prod/acme/_/messaging-telegram/telegram_bot_token"), From: "messaging_endpoints[0].secret_refs[0]"},
		{Ref: secretref.MustParse("secret://prod/acme/_/openai/api_key"), From: "vault_bootstrap.seed[1].path"},
		{Ref: secretref.MustParse("secret://prod/acme/support/zendesk/api_key"), From: "vault_bootstrap.seed[2].path"},
	}
	assert.Equal(t, []environment.Worker{
		{
			Bundle: "crm", Scope: secretref.MustParseScope("prod/acme/sales"), SourceURI: "oci://bundles.example/crm:1", Digest: "sha256:abc",
			Needs: []environment.Need{
				{Ref: secretref.MustParse("secret://prod/acme/_/openai/api_key"), From: "vault_bootstrap.seed[1].path"},
				{Ref: secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_bot_token"), From: "vault_bootstrap.seed[0].path"},
			},
		},
		{Bundle: "helpdesk", Revision: "blue", Scope: secretref.MustParseScope("prod/acme/support"), Needs: support},
		{
			Bundle: "helpdesk", Revision: "green", Scope: secretref.MustParseScope("prod/acme/support"), SourceURI: "oci://bundles.example/help:2",
			Digest:      "sha256:1111111111111111111111111111111111111111111111111111111111111111",
			ImageDigest: "sha256:2222222222222222222222222222222222222222222222222222222222222222",
			Needs:       support,
		},
	}, env.Workers)
}

func TestYAMLIsReadLikeJSON(t *testing.T) {
	text, err := yaml.JSONToYAML([]byte(valid))
	require.NoError(t, err)
	fromYAML, err := environment.Parse(text, nil)
	require.NoError(t, err)
	fromJSON, err := environment.Parse([]byte(valid), nil)
	require.NoError(t, err)
	assert.Equal(t, fromJSON, fromYAML)
}

// minimal is the least manifest with a worker.
const minimal = `{"schema": "greentic.env-manifest.v1", "environment": {"id": "local"}, "bundles": [{"bundle_id": "b", "bundle_path": "b.gtbundle"}]}`

func TestTheSecretsSlotDecides(t *testing.T) {
	const pack = `"packs": [{"slot": "secrets", "pack_ref": "builtin", "kind": %q, "answers": {"addr": "http://127.0.0.1:8200", "role": "r"}}], "bundles"`
	for name, row := range map[string]struct {
		kind    string
		backend environment.Backend
		fault   string
	}{
		"no binding":     {"", environment.DevStore, ""},
		"dev-store":      {"greentic.secrets.dev-store@1.0.0", environment.DevStore, ""},
		"vault":          {"greentic.secrets.vault@0.1.0", environment.Vault, ""},
		"vault-kv":       {"greentic.secrets.vault-kv@0.1.0-rc.1+build", environment.Vault, ""},
		"another":        {"greentic.secrets.aws@0.1.0", "", `packs[0].kind: secrets cannot come from "greentic.secrets.aws"`},
		"no version":     {"greentic.secrets.vault", "", `packs[0].kind: "greentic.secrets.vault" is no pack`},
		"a capital":      {"greentic.secrets.Vault@0.1.0", "", `packs[0].kind: "greentic.secrets.Vault@0.1.0" is no pack`},
		"a longer name":  {"greentic.secrets.vault.x@0.1.0", "", `packs[0].kind: secrets cannot come from`},
		"another vendor": {"acme.secrets.vault@0.1.0", "", `packs[0].kind: secrets cannot come from`},
	} {
		t.Run(name, func(t *testing.T) {
			text := minimal
			if row.kind != "" {
				text = strings.Replace(minimal, `"bundles"`, fmt.Sprintf(pack, row.kind), 1)
			}
			env, err := environment.Parse([]byte(text), nil)
			if row.fault != "" {
				require.ErrorIs(t, err, environment.ErrInvalid)
				assert.ErrorContains(t, err, row.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, row.backend, env.Backend)
			assert.Equal(t, row.backend == environment.Vault, env.Vault != environment.VaultBinding{})
			assert.Equal(t, secretref.MustParseScope("local/default/_"), env.Workers[0].Scope, "upstream's scope of a bundle without a selector")
		})
	}
}

func TestAnswersAreReadInTheManifestsFolderOnly(t *testing.T) {
	const manifest = `{"schema": "greentic.env-manifest.v1", "environment": {"id": "local"},
		"packs": [{"slot": "secrets", "pack_ref": "builtin", "kind": "greentic.secrets.vault@0.1.0", "answers_ref": %q}],
		"bundles": [{"bundle_id": "b", "bundle_path": "b.gtbundle"}]}`
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside.json")
	folder := filepath.Join(dir, "env")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "answers"), 0o755))
	good := []byte(`{"addr": "https://vault.example:8200", "role": "r", "kv_prefix": "p"}`)
	require.NoError(t, os.WriteFile(outside, good, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "answers/vault.json"), good, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "answers/bad.json"), []byte(`{"addr": "https://vault.example:8200", "kv_prefx": "p"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "answers/large.json"), []byte(strings.Repeat(" ", environment.MaxAnswers)+"{}"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "link.json")))
	file := filepath.Join(folder, "environment.json")
	for name, row := range map[string]struct{ ref, fault string }{
		"a file below":     {"answers/vault.json", ""},
		"a longer way":     {"./answers//vault.json", ""},
		"a folder up":      {"../outside.json", `packs[0].answers_ref: reading "../outside.json": leads out of the manifest's folder`},
		"up inside":        {"answers/../../outside.json", "leads out of the manifest's folder"},
		"an absolute path": {outside, "leads out of the manifest's folder"},
		"a link out":       {"link.json", `packs[0].answers_ref: reading "link.json": path escapes from parent`},
		"no file":          {"none.json", `packs[0].answers_ref: reading "none.json": no such file or directory`},
		"a folder":         {"answers", `packs[0].answers_ref: reading "answers": is a directory`},
		"a large file":     {"answers/large.json", "has more than 65536 bytes"},
		"wrong answers": {
			"answers/bad.json",
			"packs[0].answers_ref:answers/bad.json.kv_prefx: unknown field; did you mean kv_prefix?\npacks[0].answers_ref:answers/bad.json.role: is missing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, manifest, row.ref), 0o600))
			env, err := environment.Load(file)
			if row.fault != "" {
				require.ErrorIs(t, err, environment.ErrInvalid)
				assert.ErrorContains(t, err, row.fault)
				assert.ErrorContains(t, err, fmt.Sprintf("reading environment file %q:\n", file))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "p", env.Vault.KVPrefix)
		})
	}
	_, err := environment.Parse(fmt.Appendf(nil, manifest, "vault.json"), fstest.MapFS{"vault.json": {Data: good}})
	require.NoError(t, err)
	_, err = environment.Parse(fmt.Appendf(nil, manifest, "vault.json"), nil)
	require.ErrorIs(t, err, environment.ErrInvalid)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoadOfNoFile(t *testing.T) {
	_, err := environment.Load(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.NotErrorIs(t, err, environment.ErrInvalid)
}
