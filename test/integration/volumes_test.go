package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// class is a SecretProviderClass. A field that is empty is left out.
type class struct {
	provider string
	scope    secretref.Scope // also says in which namespace the class is
	vault    string
	objects  string // YAML
	refresh  string
}

// parameters are those of the class.
func (c class) parameters() map[string]string {
	parameters := map[string]string{}
	for name, value := range map[string]string{"scope": c.scope.String(), "vault": c.vault, "objects": c.objects, "refreshInterval": c.refresh} {
		if value != "" {
			parameters[name] = value
		}
	}
	return parameters
}

// apply puts the class into its scope's namespace and returns its name.
func (c class) apply(t *testing.T, w *world) string {
	t.Helper()
	parameters := map[string]any{}
	for name, value := range c.parameters() {
		parameters[name] = value
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": map[string]any{"namespace": badgeOf(c.scope).Namespace, "name": unique("class")},
		"spec":     map[string]any{"provider": c.provider, "parameters": parameters},
	}}
	require.NoError(t, w.Apply(t.Context(), object))
	return object.GetName()
}

// pod is a pod with the badge of scope and a volume of the class called name, which is unpublished when the test ends.
func (w *world) pod(t *testing.T, scope secretref.Scope, name string, changes ...func(*lab.Pod)) *lab.Volume {
	t.Helper()
	identity := badgeOf(scope)
	pod := lab.Pod{Namespace: identity.Namespace, ServiceAccount: identity.ServiceAccount, Name: unique("pod"), Class: name}
	for _, change := range changes {
		change(&pod)
	}
	object := pod.Object()
	restrict(&object.Spec)
	object, err := w.Clientset().CoreV1().Pods(object.Namespace).Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
	volumes := w.Kubelet().VolumesOf(object)
	require.Len(t, volumes, 1)
	w.unpublishAtEnd(t, volumes[0])
	return volumes[0]
}

// restrict makes the pod one that the namespaces of Greentic's workers take: they enforce the restricted Pod Security Standard.
func restrict(spec *corev1.PodSpec) {
	yes, no := true, false
	spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	for i := range spec.Containers {
		spec.Containers[i].SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
}

func (w *world) unpublishAtEnd(t *testing.T, v *lab.Volume) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		assert.NoError(t, v.Unpublish(ctx))
	})
}

// mount applies the class and publishes a volume of it for a pod of its scope.
func (w *world) mount(t *testing.T, c class) *lab.Volume {
	t.Helper()
	volume := w.pod(t, c.scope, c.apply(t, w))
	require.NoError(t, volume.Publish(t.Context()))
	return volume
}

// contents are the volume's files, by path.
func contents(t *testing.T, v *lab.Volume) map[string]string {
	t.Helper()
	files, err := v.Files()
	require.NoError(t, err)
	found := map[string]string{}
	for _, file := range files {
		content, err := v.Read(file.Path)
		require.NoError(t, err)
		found[file.Path] = string(content)
	}
	return found
}

// requireNothing asserts that a refused mount left nothing behind: no mount, no folder.
func requireNothing(t *testing.T, v *lab.Volume) {
	t.Helper()
	mounted, err := v.Mounted()
	require.NoError(t, err)
	require.False(t, mounted, "something is mounted on the target")
	require.NoDirExists(t, v.Path())
}

// requireRefused asserts a refusal's code and what its text says.
func requireRefused(t *testing.T, err error, code codes.Code, says ...string) {
	t.Helper()
	require.Error(t, err)
	refused, ok := status.FromError(err)
	require.True(t, ok, "no gRPC status: %v", err)
	require.Equal(t, code.String(), refused.Code().String(), "%v", err)
	for _, text := range says {
		require.Contains(t, refused.Message(), text)
	}
	require.NotContains(t, refused.Message(), "\n")
}
