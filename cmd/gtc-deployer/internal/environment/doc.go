// Package environment reads a Greentic environment manifest, greentic.env-manifest.v1, and says which workers it asks for, what each of
// them is locked to and which secrets each of them needs.
//
// The document is the one that Greentic's own deployer takes (greentic-deployer, src/cli/env_manifest.rs), as JSON or YAML. It is read as
// strictly as there: an unknown field, a field that stands twice and a value of another type are faults. All faults are reported at once
// with their field paths, and every one of them is an ErrInvalid.
//
// The rules:
//
//   - A worker is a bundle, or each of its revisions. Its scope is the manifest's environment with the tenant and team of the bundle's
//     route_binding.tenant_selector; without one it is tenant "default" and the whole tenant, as upstream.
//   - The pack in slot "secrets" decides where values come from: none, or greentic.secrets.dev-store, is the dev-store;
//     greentic.secrets.vault or greentic.secrets.vault-kv is Vault. Anything else is a fault.
//   - A secret that is declared by its path (secrets[] or vault_bootstrap.seed[]) is needed by every worker whose scope grants it, one that
//     a messaging endpoint names by the workers of the bundles that it links. A pack's secret-requirements.json adds the needs of one
//     bundle. What no worker's scope grants is a fault: nobody could read it.
//   - Files that the manifest names are read below its own folder and nowhere else.
//
// What belongs to the cluster or to other tools (trust_root, cluster, updates, extensions, sor_units) is checked and passed over. Values
// never stand in the manifest; the one field that can hold a credential, vault_bootstrap.root_token, is not kept.
package environment
