//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// environment is a Greentic environment of the tenant acme: a worker for each team, their secrets in Vault.
type environment struct {
	story *story
	id    string
	file  string // the manifest
	mount string // Vault's auth mount
}

// environment writes a manifest whose workers need secrets, each <team>/<category>/<name>; there is a worker for each team among them.
func (s *story) environment(t *testing.T, id string, answers map[string]any, secrets ...string) *environment {
	t.Helper()
	e := &environment{story: s, id: id, mount: "kubernetes"}
	slot := map[string]any{"addr": stage.VaultAddress, "role": "gtc-worker"}
	maps.Copy(slot, answers)
	if mount, ok := slot["auth_mount"].(string); ok {
		e.mount = mount
	}
	text, err := json.Marshal(manifest(id, slot, secrets))
	require.NoError(t, err)
	e.file, err = s.Write(id+"/environment.json", text)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, s.Vault.Forget(ctx, id, e.mount))
	})
	return e
}

// manifest is what Greentic writes: greentic.env-manifest.v1.
func manifest(id string, slot map[string]any, secrets []string) map[string]any {
	var seeds, bundles []map[string]any
	teams := map[string]bool{}
	for _, secret := range secrets {
		seeds = append(seeds, map[string]any{"path": "acme/" + secret, "from_env": "UNUSED"})
		if team, _, _ := strings.Cut(secret, "/"); team != secretref.WholeTenant {
			teams[team] = true
		}
	}
	for _, team := range slices.Sorted(maps.Keys(teams)) {
		bundles = append(bundles, map[string]any{
			"bundle_id": team + "-bot", "bundle_source_uri": "oci://bundles.acme.example/" + team + ":1.0.0", "customer_id": "acme",
			"route_binding": map[string]any{
				"path_prefixes": []string{"/" + team}, "tenant_selector": map[string]any{"tenant": "acme", "team": team},
			},
		})
	}
	return map[string]any{
		"schema":      "greentic.env-manifest.v1",
		"environment": map[string]any{"id": id, "name": id, "tenant_org_id": "acme"},
		"packs": []map[string]any{
			{"slot": "deployer", "kind": "greentic.deployer.k8s@1.0.0", "pack_ref": "builtin"},
			{"slot": "secrets", "kind": "greentic.secrets.vault@0.1.0", "pack_ref": "builtin", "answers": slot},
		},
		"vault_bootstrap": map[string]any{"deploy": "external", "seed": seeds},
		"bundles":         bundles,
	}
}

// scope is a team's.
func (e *environment) scope(t *testing.T, team string) secretref.Scope {
	t.Helper()
	scope, err := secretref.ParseScope(e.id + "/acme/" + team)
	require.NoError(t, err)
	return scope
}

// ref is the reference of <team>/<category>/<name>.
func (e *environment) ref(t *testing.T, path string) secretref.Reference {
	t.Helper()
	ref, err := secretref.Parse("secret://" + e.id + "/acme/" + path)
	require.NoError(t, err)
	return ref
}

// deployer runs gtc-deployer, which has to succeed, for this environment.
func (e *environment) deployer(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := e.story.Deployer(soon(t), []byte(stdin), append(args, "--environment", e.file)...)
	require.NoError(t, err)
	return out
}

// wire has the deployer make Vault ready, and then do nothing when it is asked again.
func (e *environment) wire(t *testing.T, flags ...string) {
	t.Helper()
	apply := append([]string{"vault", "apply"}, flags...)
	e.deployer(t, "", apply...)
	assert.Contains(t, e.deployer(t, "", apply...), "\n0 written, ", "a second run finds everything as it should be")
}

// put has the deployer write a value into Vault.
func (e *environment) put(t *testing.T, path, value string) {
	t.Helper()
	e.deployer(t, value, "secrets", "put", e.ref(t, path).String(), "--stdin")
}

// render has the deployer render the environment, its workers being the stand-in in their places.
func (e *environment) render(t *testing.T, flags ...string) []*unstructured.Unstructured {
	t.Helper()
	text := e.deployer(t, "", append([]string{
		"render", "--worker-image", e.story.Images.Worker, "--init-image", e.story.Images.Init, "--exec-image", e.story.Images.Provider,
		"--worker-command", stage.WorkerCommand,
	}, flags...)...)
	objects, err := lab.Objects([]byte(text))
	require.NoError(t, err)
	return objects
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// kinds counts objects by kind.
func kinds(objects []*unstructured.Unstructured) map[string]int {
	counts := map[string]int{}
	for _, object := range objects {
		counts[object.GetKind()]++
	}
	return counts
}

// objects is a class's parameter: a YAML list.
func objects(lines ...string) string { return fmt.Sprintf("- %s\n", strings.Join(lines, "\n- ")) }
