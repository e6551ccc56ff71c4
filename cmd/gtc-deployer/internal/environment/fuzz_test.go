package environment_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

func FuzzParse(f *testing.F) {
	text, err := yaml.JSONToYAML([]byte(valid))
	require.NoError(f, err)
	for _, seed := range [][]byte{[]byte(valid), text, []byte(minimal), []byte("a: &a [x]\nb: *a\n"), []byte(`{"a": [[[[1]]]]}`)} {
		f.Add(seed, []byte(`[{"key": "A", "scope": {"team": "<team>"}}]`), "crm")
	}
	f.Fuzz(func(t *testing.T, manifest, requirements []byte, bundle string) {
		env, err := environment.Parse(manifest, fstest.MapFS{"answers.json": {Data: requirements}},
			environment.Requirements{Name: "r", Bundle: bundle, Pack: "p", Document: requirements})
		if err != nil {
			require.ErrorIs(t, err, environment.ErrInvalid)
			require.Empty(t, env)
			return
		}
		require.NotEmpty(t, env.ID)
		require.Equal(t, env.Backend == environment.Vault, env.Vault.Address != "")
		for _, w := range env.Workers {
			require.NotEmpty(t, w.Bundle)
			require.Equal(t, env.ID, w.Scope.Env())
			objects := make([]params.Object, len(w.Needs))
			for i, need := range w.Needs {
				assert.True(t, w.Scope.Grants(need.Ref), "%s needs %s", w.Scope, need.Ref)
				objects[i] = params.Object{Ref: need.Ref, Optional: need.Optional, Fallback: need.Fallback}
			}
			if len(objects) > 0 {
				_, err := params.Encode(params.Params{Scope: w.Scope, Objects: objects})
				require.NoError(t, err, "what a worker needs is a class")
			}
		}
	})
}
