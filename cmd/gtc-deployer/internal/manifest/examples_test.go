package manifest_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/manifest"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

//go:generate go test . -run TestExamplesAreRenderedAsTheyAreCommitted -update

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// examples are the folder's environments. Both are rendered as examples/README.md says.
const examples = "../../../../examples"

func example(t *testing.T, name string) environment.Environment {
	t.Helper()
	const requirements = "messaging-slack.secret-requirements.json"
	document, err := os.ReadFile(filepath.Join(examples, requirements))
	require.NoError(t, err)
	env, err := environment.Load(filepath.Join(examples, name, "environment.json"),
		environment.Requirements{Name: requirements, Bundle: "crm-assistant", Pack: "messaging-slack", Document: document})
	require.NoError(t, err)
	return env
}

func TestExamplesAreRenderedAsTheyAreCommitted(t *testing.T) {
	for _, name := range []string{"vault", "dev-store"} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Render(example(t, name), manifest.Options{})
			require.NoError(t, err)
			var text bytes.Buffer
			require.NoError(t, manifest.Write(&text, objects))
			golden(t, filepath.Join(examples, name, "manifests.yaml"), text.Bytes())
		})
	}
}

func TestTheExamplesClassesAreTheirOwnBadgesAndNoOthers(t *testing.T) {
	for _, layout := range []badge.Layout{badge.LayoutScope, badge.LayoutEnvironment} {
		t.Run(string(layout), func(t *testing.T) {
			objects, err := manifest.Render(example(t, "vault"), manifest.Options{Layout: layout})
			require.NoError(t, err)
			naming, err := badge.NewNaming(layout)
			require.NoError(t, err)
			classes, pods := classes(t, objects), badges(t, objects)
			require.Len(t, classes, 2)
			require.Len(t, pods, 2)
			for wanted, decoded := range classes {
				for worn, pod := range pods {
					claim := claimOf(decoded, pod)
					granted, err := naming.Admit(claim, time.Now())
					if wanted != worn {
						require.ErrorIs(t, err, badge.ErrDenied, "%s's class on %s's badge", wanted, worn)
						continue
					}
					require.NoError(t, err, "%s's class on its own badge", wanted)
					assert.Len(t, granted, len(decoded.Objects))
				}
			}
		})
	}
}

// classes decodes every SecretProviderClass as the provider does; the result is by the Deployment that mounts it.
func classes(t *testing.T, objects []unstructured.Unstructured) map[string]params.Params {
	t.Helper()
	decoded := make(map[string]params.Params)
	for _, object := range objects {
		if object.GetKind() != "SecretProviderClass" {
			continue
		}
		provider, _, err := unstructured.NestedString(object.Object, "spec", "provider")
		require.NoError(t, err)
		assert.Equal(t, "greentic", provider)
		parameters, _, err := unstructured.NestedStringMap(object.Object, "spec", "parameters")
		require.NoError(t, err)
		p, err := params.Decode(parameters)
		require.NoError(t, err)
		assert.Equal(t, p.Scope.String(), object.GetAnnotations()["greentic.ai/scope"])
		decoded[object.GetName()] = p
	}
	return decoded
}

// badges are the identities of the Deployments' pods, by the class that each mounts.
func badges(t *testing.T, objects []unstructured.Unstructured) map[string]badge.Badge {
	t.Helper()
	worn := make(map[string]badge.Badge)
	for _, d := range deployments(t, objects) {
		for _, volume := range d.Spec.Template.Spec.Volumes {
			if volume.CSI != nil {
				assert.Equal(t, "secrets-store.csi.k8s.io", volume.CSI.Driver)
				worn[volume.CSI.VolumeAttributes["secretProviderClass"]] = badge.Badge{
					Namespace: d.Namespace, ServiceAccount: d.Spec.Template.Spec.ServiceAccountName,
				}
			}
		}
	}
	return worn
}

// claimOf is what the provider would judge: the class on a pod that wears b, with that pod's own token.
func claimOf(p params.Params, b badge.Badge) badge.Claim {
	pod := badge.Pod{Namespace: b.Namespace, ServiceAccount: b.ServiceAccount, Name: "worker-0", UID: "6f0c"}
	asks := make([]badge.Ask, len(p.Objects))
	for i, object := range p.Objects {
		asks[i].Reference = object.Ref
	}
	return badge.Claim{
		Scope: p.Scope, Pod: pod, Audience: "vault", Asks: asks,
		Token: badge.Claims{
			Subject:   "system:serviceaccount:" + b.Namespace + ":" + b.ServiceAccount,
			Namespace: b.Namespace, ServiceAccount: b.ServiceAccount, PodName: pod.Name, PodUID: pod.UID,
			Audiences: []string{"vault"}, Expires: time.Now().Add(time.Hour),
		},
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "%s differs: if that is right, run the test with -update", file)
}
