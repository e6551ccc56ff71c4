package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/manifest"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// vaultEnvironment has a team's worker, one for the whole tenant, and one without secrets.
func vaultEnvironment() environment.Environment {
	return environment.Environment{
		ID: "prod", Backend: environment.Vault,
		Workers: []environment.Worker{
			{
				Bundle: "crm", Scope: secretref.MustParseScope("prod/acme/sales"), SourceURI: "oci://bundles.example/crm:1", Digest: "sha256:abc",
				Needs: []environment.Need{
					{Ref: secretref.MustParse("secret://prod/acme/_/openai/api_key")},
					{Ref: secretref.MustParse("secret://prod/acme/sales/slack/token@3"), Optional: true},
				},
			},
			{
				Bundle: "desk", Revision: "blue", Scope: secretref.MustParseScope("prod/acme/_"),
				Needs: []environment.Need{{Ref: secretref.MustParse("secret://prod/acme/_/openai/api_key")}},
			},
			{Bundle: "plain", Scope: secretref.MustParseScope("prod/acme/sales")},
		},
	}
}

func devStoreEnvironment() environment.Environment {
	env := vaultEnvironment()
	env.Backend = environment.DevStore
	return env
}

func render(t *testing.T, env environment.Environment, options manifest.Options) []unstructured.Unstructured {
	t.Helper()
	objects, err := manifest.Render(env, options)
	require.NoError(t, err)
	return objects
}

// names are the objects as kind, namespace and name.
func names(objects []unstructured.Unstructured) []string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
	}
	return list
}

func TestObjectsWithVault(t *testing.T) {
	policies := func(namespace string) []string {
		var list []string
		for _, name := range []string{"gtc-allow-dns", "gtc-allow-worker-egress", "gtc-allow-workers", "gtc-default-deny"} {
			list = append(list, "NetworkPolicy "+namespace+"/"+name)
		}
		return list
	}
	assert.Equal(t, slices.Concat(
		[]string{"Namespace /gtc-prod", "Namespace /gtc-prod--acme--sales", "ServiceAccount gtc-prod/gtc.acme", "ServiceAccount gtc-prod--acme--sales/gtc.acme.sales"},
		policies("gtc-prod"), policies("gtc-prod--acme--sales"),
		[]string{
			"SecretProviderClass gtc-prod/gtc-worker-desk--blue", "SecretProviderClass gtc-prod--acme--sales/gtc-worker-crm",
			"Service gtc-prod/gtc-worker-desk--blue", "Service gtc-prod--acme--sales/gtc-worker-crm", "Service gtc-prod--acme--sales/gtc-worker-plain",
			"Deployment gtc-prod/gtc-worker-desk--blue", "Deployment gtc-prod--acme--sales/gtc-worker-crm", "Deployment gtc-prod--acme--sales/gtc-worker-plain",
		}), names(render(t, vaultEnvironment(), manifest.Options{})))

	inOne := names(render(t, vaultEnvironment(), manifest.Options{Layout: badge.LayoutEnvironment}))
	assert.Contains(t, inOne, "ServiceAccount gtc-prod/gtc.acme.sales")
	assert.Contains(t, inOne, "ServiceAccount gtc-prod/gtc.acme")
	for _, name := range inOne {
		assert.NotContains(t, name, "sales/")
	}
}

func TestObjectsWithTheDevStore(t *testing.T) {
	want := []string{
		"Namespace /gtc-prod", "Secret gtc-prod/gtc-dev-secrets",
		"NetworkPolicy gtc-prod/gtc-allow-dns", "NetworkPolicy gtc-prod/gtc-allow-worker-egress", "NetworkPolicy gtc-prod/gtc-allow-workers",
		"NetworkPolicy gtc-prod/gtc-default-deny",
		"Service gtc-prod/gtc-worker-crm", "Service gtc-prod/gtc-worker-desk--blue", "Service gtc-prod/gtc-worker-plain",
		"Deployment gtc-prod/gtc-worker-crm", "Deployment gtc-prod/gtc-worker-desk--blue", "Deployment gtc-prod/gtc-worker-plain",
	}
	objects := render(t, devStoreEnvironment(), manifest.Options{})
	assert.Equal(t, want, names(objects))
	secrets := decode[corev1.Secret](t, objects, "Secret")
	require.Len(t, secrets, 1)
	assert.Empty(t, secrets[0].Data)
	assert.Empty(t, secrets[0].StringData)
	for _, d := range deployments(t, objects) {
		pod := d.Spec.Template.Spec
		assert.Empty(t, pod.ServiceAccountName)
		assert.Equal(t, []string{"stage-env-store", "stage-dev-secrets"}, containerNames(pod.InitContainers))
		assert.Empty(t, pod.Containers[0].Command, "the image's own entrypoint")
		assert.Equal(t, []string{"start", "--env", "prod"}, pod.Containers[0].Args)
		// sha256 of "<empty>", which upstream writes where it does not know the dev-store.
		assert.Equal(t, "80852ffca8497a651fbbecfbfe9d086df79e3fbfa5cde7fa331402478e545996", d.Spec.Template.Annotations["greentic.ai/dev-store-hash"])
	}

	env := devStoreEnvironment()
	env.Runtime.Namespace = "mine"
	for _, name := range names(render(t, env, manifest.Options{})) {
		assert.NotContains(t, name, "gtc-prod")
	}
}

func TestUpstreamsNamespaceOfAnEnvironment(t *testing.T) {
	for id, want := range map[string]string{
		"prod":                  "gtc-prod",
		"prod--eu":              "gtc-prod--eu",
		"prod.eu_west":          "gtc-prod-eu-west-", // and 8 hex digits of the id's SHA-256
		strings.Repeat("a", 59): "gtc-" + strings.Repeat("a", 59),
		strings.Repeat("a", 60): "gtc-" + strings.Repeat("a", 50) + "-",
	} {
		env := environment.Environment{ID: id, Workers: []environment.Worker{{Bundle: "b"}}}
		namespace := render(t, env, manifest.Options{})[0].GetName()
		if strings.HasSuffix(want, "-") {
			assert.Regexp(t, "^"+want+"[0-9a-f]{8}$", namespace)
			continue
		}
		assert.Equal(t, want, namespace)
	}
}

func TestNothingWithVaultHoldsOrReachesASecret(t *testing.T) {
	for _, layout := range []badge.Layout{badge.LayoutScope, badge.LayoutEnvironment} {
		objects := render(t, vaultEnvironment(), manifest.Options{Layout: layout})
		text, err := json.Marshal(objects)
		require.NoError(t, err)
		for _, never := range []string{`"kind":"Secret"`, "secretKeyRef", "secretName", "VAULT_", "secretObjects", "serviceAccountToken"} {
			assert.NotContains(t, string(text), never)
		}
		for _, account := range decode[corev1.ServiceAccount](t, objects, "ServiceAccount") {
			require.NotNil(t, account.AutomountServiceAccountToken)
			assert.False(t, *account.AutomountServiceAccountToken)
		}
		for _, d := range deployments(t, objects) {
			require.NotNil(t, d.Spec.Template.Spec.AutomountServiceAccountToken)
			assert.False(t, *d.Spec.Template.Spec.AutomountServiceAccountToken)
		}
		assert.Equal(t, layout == badge.LayoutScope, strings.Contains(string(text), "gtc-prod--acme--sales"))
	}
}

// TestPodsAreRestricted holds every pod to Kubernetes' restricted profile (pod security standards) and to a root filesystem that nobody writes.
func TestPodsAreRestricted(t *testing.T) {
	for _, env := range []environment.Environment{vaultEnvironment(), devStoreEnvironment()} {
		for _, d := range deployments(t, render(t, env, manifest.Options{})) {
			pod := d.Spec.Template.Spec
			assert.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
			assert.True(t, *pod.SecurityContext.RunAsNonRoot)
			for _, id := range []*int64{pod.SecurityContext.RunAsUser, pod.SecurityContext.RunAsGroup, pod.SecurityContext.FSGroup} {
				assert.EqualValues(t, 65532, *id)
			}
			assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			for _, volume := range pod.Volumes {
				assert.True(t, volume.EmptyDir != nil || volume.ConfigMap != nil || volume.CSI != nil || volume.Secret != nil, volume.Name)
			}
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
				assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
				assert.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, c.Name)
				assert.Nil(t, c.SecurityContext.Privileged, c.Name)
			}
		}
	}
}

func TestAVaultWorkersPod(t *testing.T) {
	objects := render(t, vaultEnvironment(), manifest.Options{})
	worker := deployments(t, objects)[1]
	require.Equal(t, "gtc-worker-crm", worker.Name)
	pod := worker.Spec.Template.Spec
	assert.Equal(t, "gtc.acme.sales", pod.ServiceAccountName)
	assert.Equal(t, []string{"stage-env-store", "install-gtc-exec"}, containerNames(pod.InitContainers))
	assert.Equal(t, []string{"/usr/local/bin/gtc-exec", "install", "/gtc"}, pod.InitContainers[1].Command)
	c := pod.Containers[0]
	assert.Equal(t, []string{
		"/gtc/gtc-exec", "run",
		"--secret", "secret://prod/acme/_/openai/api_key", "--optional-secret", "secret://prod/acme/sales/slack/token@3",
		"--dev-store", "/var/run/greentic/dev-store/.dev.secrets.env", "--", "/usr/local/bin/greentic-start", "start", "--env", "prod",
	}, c.Command)
	assert.Empty(t, c.Args)
	assert.Equal(t, map[string]string{
		"GREENTIC_ENV_ID": "prod", "HOME": "/var/greentic", "GREENTIC_GATEWAY_LISTEN_ADDR": "0.0.0.0", "RAYON_NUM_THREADS": "4",
		"GREENTIC_BUNDLE_ID": "crm", "GREENTIC_BUNDLE_DIGEST": "sha256:abc", "GREENTIC_SECRETS_BACKEND": "dev-store",
		"GREENTIC_DEV_SECRETS_PATH": "/var/run/greentic/dev-store/.dev.secrets.env",
	}, variables(c))
	volumes := make(map[string]corev1.VolumeSource)
	for _, volume := range pod.Volumes {
		volumes[volume.Name] = volume.VolumeSource
	}
	mounts := make(map[string]corev1.VolumeSource)
	for _, mount := range c.VolumeMounts {
		mounts[mount.MountPath] = volumes[mount.Name]
		assert.Equal(t, mount.MountPath == "/var/run/greentic/secrets" || mount.MountPath == "/gtc", mount.ReadOnly, mount.MountPath)
	}
	assert.Equal(t, map[string]string{"secretProviderClass": "gtc-worker-crm"}, mounts["/var/run/greentic/secrets"].CSI.VolumeAttributes)
	assert.True(t, *mounts["/var/run/greentic/secrets"].CSI.ReadOnly)
	assert.Equal(t, corev1.StorageMediumMemory, mounts["/var/run/greentic/dev-store"].EmptyDir.Medium)

	without := deployments(t, objects)[2]
	require.Equal(t, "gtc-worker-plain", without.Name)
	assert.Equal(t, "gtc.acme.sales", without.Spec.Template.Spec.ServiceAccountName)
	assert.Equal(t, []string{"stage-env-store"}, containerNames(without.Spec.Template.Spec.InitContainers), "without secrets there is nothing to wait for")
	assert.Empty(t, without.Spec.Template.Spec.Containers[0].Command)
}

func TestOptionsOfThePods(t *testing.T) {
	pinned := vaultEnvironment()
	pinned.Workers[0].ImageDigest = "sha256:1111"
	answered := devStoreEnvironment()
	answered.Runtime = environment.Runtime{Image: "a/b:1", InitImage: "c:1", Cloudflared: true, InsecureRegistries: []string{"r:1", "s"}}
	type pod struct {
		image, init, exec string
		command           []string
	}
	vaultCommand := func(rest ...string) []string {
		return append([]string{
			"/gtc/gtc-exec", "run", "--secret", "secret://prod/acme/_/openai/api_key", "--optional-secret", "secret://prod/acme/sales/slack/token@3",
			"--dev-store", "/var/run/greentic/dev-store/.dev.secrets.env", "--",
		}, rest...)
	}
	usual := vaultCommand("/usr/local/bin/greentic-start", "start", "--env", "prod")
	for name, row := range map[string]struct {
		env     environment.Environment
		options manifest.Options
		want    pod
	}{
		"defaults": {
			vaultEnvironment(), manifest.Options{},
			pod{manifest.DefaultWorkerImage, manifest.DefaultInitImage, manifest.DefaultExecImage, usual},
		},
		"images": {
			vaultEnvironment(), manifest.Options{WorkerImage: "w:1", InitImage: "i:1", ExecImage: "e:1"}, pod{"w:1", "i:1", "e:1", usual},
		},
		"a pin takes the place of the tag": {
			pinned, manifest.Options{}, pod{"ghcr.io/greenticai/greentic-start-distroless@sha256:1111", manifest.DefaultInitImage, manifest.DefaultExecImage, usual},
		},
		"a pin and a port": {
			pinned, manifest.Options{WorkerImage: "host:5000/w"}, pod{"host:5000/w@sha256:1111", manifest.DefaultInitImage, manifest.DefaultExecImage, usual},
		},
		"a pin takes the place of a pin": {
			pinned, manifest.Options{WorkerImage: "host:5000/w:1@sha256:2222"},
			pod{"host:5000/w@sha256:1111", manifest.DefaultInitImage, manifest.DefaultExecImage, usual},
		},
		"another program": {
			vaultEnvironment(), manifest.Options{WorkerCommand: "/worker", WorkerArgs: []string{"--serve", "x"}},
			pod{manifest.DefaultWorkerImage, manifest.DefaultInitImage, manifest.DefaultExecImage, vaultCommand("/worker", "--serve", "x")},
		},
		"no arguments": {
			vaultEnvironment(), manifest.Options{WorkerArgs: []string{}},
			pod{manifest.DefaultWorkerImage, manifest.DefaultInitImage, manifest.DefaultExecImage, vaultCommand("/usr/local/bin/greentic-start")},
		},
		"the manifest's answers": {
			answered, manifest.Options{},
			pod{"a/b:1", "c:1", "", []string{"start", "--env", "prod", "--cloudflared", "on", "--cloudflared-binary", "/usr/local/bin/cloudflared"}},
		},
		"options before answers": {
			answered, manifest.Options{WorkerImage: "w:1", InitImage: "i:1", WorkerCommand: "/worker", WorkerArgs: []string{"go"}},
			pod{"w:1", "i:1", "", []string{"/worker", "go"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range deployments(t, render(t, row.env, row.options)) {
				if d.Name != "gtc-worker-crm" {
					continue
				}
				spec := d.Spec.Template.Spec
				assert.Equal(t, row.want.image, spec.Containers[0].Image)
				assert.Equal(t, row.want.init, spec.InitContainers[0].Image)
				assert.Equal(t, row.want.command, slices.Concat(spec.Containers[0].Command, spec.Containers[0].Args))
				if row.want.exec != "" {
					assert.Equal(t, row.want.exec, spec.InitContainers[1].Image)
					assert.Equal(t, corev1.PullIfNotPresent, spec.InitContainers[1].ImagePullPolicy, "whatever its tag, the node's own is taken")
				} else {
					assert.Equal(t, row.want.init, spec.InitContainers[1].Image)
					assert.Equal(t, "r:1,s", variables(spec.Containers[0])["GREENTIC_OCI_INSECURE_REGISTRIES"])
				}
			}
		})
	}
}

func TestEgress(t *testing.T) {
	egress := func(env environment.Environment) map[string]networkingv1.NetworkPolicySpec {
		specs := make(map[string]networkingv1.NetworkPolicySpec)
		for _, policy := range decode[networkingv1.NetworkPolicy](t, render(t, env, manifest.Options{}), "NetworkPolicy") {
			if policy.Name == "gtc-allow-worker-egress" {
				specs[policy.Namespace] = policy.Spec
			}
		}
		return specs
	}
	withVault := egress(vaultEnvironment())
	require.Len(t, withVault, 2)
	assert.Empty(t, withVault["gtc-prod"].Egress, "the worker there pulls nothing")
	require.Len(t, withVault["gtc-prod--acme--sales"].Egress, 1)
	for _, peer := range withVault["gtc-prod--acme--sales"].Egress[0].To {
		require.NotNil(t, peer.IPBlock)
		assert.NotEmpty(t, peer.IPBlock.Except, "private networks, where Vault is, stay closed")
	}
	assert.Equal(t, []networkingv1.NetworkPolicyEgressRule{{}}, egress(devStoreEnvironment())["gtc-prod"].Egress, "as upstream: everywhere")
	pulling := devStoreEnvironment()
	pulling.Workers[0].SourceURI = ""
	assert.Empty(t, egress(pulling)["gtc-prod"].Egress)
}

func TestTheEnvironmentStore(t *testing.T) {
	store := []byte(`{"schema": "greentic.environment.v1", "environment_id": "prod"}`)
	maps := decode[corev1.ConfigMap](t, render(t, vaultEnvironment(), manifest.Options{EnvironmentStore: store}), "ConfigMap")
	require.Len(t, maps, 2, "one in each namespace")
	for _, m := range maps {
		assert.Equal(t, "gtc-env-store", m.Name)
		assert.Equal(t, map[string]string{"environment.json": string(store)}, m.Data)
	}
	assert.Empty(t, decode[corev1.ConfigMap](t, render(t, vaultEnvironment(), manifest.Options{}), "ConfigMap"))
}

func TestOptionFaults(t *testing.T) {
	for name, row := range map[string]struct {
		options manifest.Options
		fault   string
	}{
		"layout":             {manifest.Options{Layout: "flat"}, `layout: invalid badge naming: "flat" is neither "scope" nor "environment"`},
		"connection":         {manifest.Options{Connection: "-"}, `connection: "-" is no connection's name`},
		"worker image":       {manifest.Options{WorkerImage: "a b"}, `worker image: "a b" is no image`},
		"init image":         {manifest.Options{InitImage: "a\nb"}, `init image: "a\nb" is no image`},
		"exec image":         {manifest.Options{ExecImage: "$(x)"}, `exec image: "$(x)" is no image`},
		"store of another":   {manifest.Options{EnvironmentStore: []byte(`{"environment_id": "dev"}`)}, `environment store: is of environment "dev"; want "prod"`},
		"store that is none": {manifest.Options{EnvironmentStore: []byte(`[]`)}, "environment store: is not the JSON object of Greentic's environment.json"},
		"store and more":     {manifest.Options{EnvironmentStore: []byte(`{"environment_id": "prod"} {}`)}, "environment store: is not the JSON object"},
		"large store":        {manifest.Options{EnvironmentStore: bytes.Repeat([]byte(" "), 1<<20)}, "environment store: has more than 1024000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Render(vaultEnvironment(), row.options)
			require.ErrorIs(t, err, manifest.ErrInvalid)
			assert.ErrorContains(t, err, row.fault)
			assert.Nil(t, objects)
		})
	}
	_, err := manifest.Render(environment.Environment{ID: "prod"}, manifest.Options{Layout: "flat", Connection: "-", WorkerImage: "a b"})
	require.ErrorIs(t, err, manifest.ErrInvalid)
	assert.Len(t, strings.Split(err.Error(), "\n"), 4, "all faults at once: %v", err)
	assert.ErrorContains(t, err, `environment "prod" has no bundle that is not archived`)
}

func TestTheConnectionsNameIsInTheClass(t *testing.T) {
	for _, class := range classes(t, render(t, vaultEnvironment(), manifest.Options{Connection: "eu"})) {
		assert.Equal(t, "eu", class.Vault)
	}
}

func TestARenderingIsStable(t *testing.T) {
	var first, second bytes.Buffer
	require.NoError(t, manifest.Write(&first, render(t, vaultEnvironment(), manifest.Options{})))
	reversed := vaultEnvironment()
	slices.Reverse(reversed.Workers)
	require.NoError(t, manifest.Write(&second, render(t, reversed, manifest.Options{})))
	assert.Equal(t, first.String(), second.String(), "whatever the order of the workers")
}

// TestEveryObjectsNamesAreItsOwn renders bundles whose names could be taken for one another.
func TestEveryObjectsNamesAreItsOwn(t *testing.T) {
	env := environment.Environment{ID: "prod", Backend: environment.Vault}
	for _, pair := range [][2]string{
		{"a", "b"}, {"a--b", ""}, {"a-b", ""}, {"a", "-b"}, {"A", "b"}, {"a.b", ""}, {"a_b", ""}, {"a-", "b"}, {"a", ""}, {"a---b", ""},
		{strings.Repeat("x", 52), ""}, {strings.Repeat("x", 53), ""}, {strings.Repeat("x", 63), ""}, {strings.Repeat("x", 62), ""},
		{strings.Repeat("x", 50), "y"}, {strings.Repeat("x", 49), "y"}, {"___", ""}, {"...", ""},
	} {
		env.Workers = append(env.Workers, environment.Worker{Bundle: pair[0], Revision: pair[1], Scope: secretref.MustParseScope("prod/acme/sales")})
	}
	seen := make(map[string]bool)
	for _, object := range render(t, env, manifest.Options{}) {
		key := fmt.Sprintf("%s/%s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		assert.False(t, seen[key], "%s stands twice", key)
		assert.False(t, seen[manifest.FileName(object)], "%s stands twice", manifest.FileName(object))
		seen[key], seen[manifest.FileName(object)] = true, true
		if object.GetKind() == "Service" {
			assert.Regexp(t, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", object.GetName(), "a Service's name (RFC 1035)")
		}
	}
}

func containerNames(containers []corev1.Container) []string {
	list := make([]string, len(containers))
	for i, c := range containers {
		list[i] = c.Name
	}
	return list
}

func variables(c corev1.Container) map[string]string {
	vars := make(map[string]string, len(c.Env))
	for _, v := range c.Env {
		vars[v.Name] = v.Value
	}
	return vars
}
