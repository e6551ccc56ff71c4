package integration_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestContract goes the whole way: environment file → deployer → Vault and API server → kubelet → driver → provider → Vault → tmpfs. The pod
// is the one that the rendered Deployment would make.
func TestContract(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := wired(t, unique("contract"))
		values := map[string]string{
			"acme/sales/messaging-slack/bot_token":      "xoxb-\x00\x01\xff not text\n",
			"acme/sales/messaging-slack/signing_secret": "",
			"acme/support/zendesk/api_key":              "support's",
			"acme/_/openai/api_key":                     "the tenant's",
			"acme/_/configs/region":                     "the tenant's, in place of a team's", // requirements.json wants the team's or this
		}
		for path, value := range values {
			env.put(t, "secret://"+env.id+"/"+path, value)
		}
		w.greentic(t)

		sales := w.workerVolume(t, env, env.sales)
		require.NoError(t, sales.Publish(t.Context()))
		assert.Equal(t, map[string]string{
			"sales/messaging-slack/bot_token":      "xoxb-\x00\x01\xff not text\n",
			"sales/messaging-slack/signing_secret": "",
			"sales/configs/region":                 "the tenant's, in place of a team's",
			"_/openai/api_key":                     "the tenant's",
		}, contents(t, sales))
		files, err := sales.Files()
		require.NoError(t, err)
		for _, file := range files {
			assert.Equal(t, fs.FileMode(0o644), file.Mode, file.Path)
		}

		support := w.workerVolume(t, env, env.support)
		require.NoError(t, support.Publish(t.Context()))
		assert.Equal(t, map[string]string{"support/zendesk/api_key": "support's", "_/openai/api_key": "the tenant's"}, contents(t, support))

		require.NoError(t, sales.Unpublish(t.Context()))
		requireNothing(t, sales)
	})
}

// put stores a value as the operator does.
func (e *environment) put(t *testing.T, ref, value string) {
	t.Helper()
	cmd, err := e.commands.command(t.Context(), "secrets", "put", ref, "--environment", e.file, "--stdin")
	require.NoError(t, err)
	cmd.Stdin = strings.NewReader(value)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if value != "" {
		require.NotContains(t, string(out), value)
	}
}

// deployment is the scope's worker as it was rendered.
func (e *environment) deployment(t *testing.T, scope secretref.Scope) appsv1.Deployment {
	t.Helper()
	for _, object := range e.objects {
		if object.GetKind() == "Deployment" && object.GetNamespace() == badgeOf(scope).Namespace {
			var deployment appsv1.Deployment
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment))
			return deployment
		}
	}
	t.Fatalf("no Deployment was rendered for %s", scope)
	return appsv1.Deployment{}
}

// workerVolume makes the pod that a Deployment controller would make of the scope's worker, on the lab's node, and returns its one CSI volume.
func (w *world) workerVolume(t *testing.T, e *environment, scope secretref.Scope) *lab.Volume {
	t.Helper()
	deployment := e.deployment(t, scope)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: deployment.Namespace, Name: unique(deployment.Name),
			Labels: deployment.Spec.Template.Labels, Annotations: deployment.Spec.Template.Annotations,
		},
		Spec: deployment.Spec.Template.Spec,
	}
	pod, err := w.Clientset().CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	volumes := w.Kubelet().VolumesOf(pod)
	require.Len(t, volumes, 1)
	w.unpublishAtEnd(t, volumes[0])
	return volumes[0]
}

// TestOrder asks the provider as the driver does: files come in the order in which they were asked for, each with its own version, and a
// version changes when, and only when, what is in the file does.
func TestOrder(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	category := unique("order")
	objects := ""
	var want []string
	for _, name := range []string{"m", "z", "a", "k"} {
		w.put(t, ref(t, env.sales, category, name), "value of "+name)
		objects += fmt.Sprintf("- {ref: %q, file: %s/%s}\n", ref(t, env.sales, category, name), name, name)
		want = append(want, name+"/"+name)
	}
	c := class{scope: env.sales, objects: objects}
	volume := w.pod(t, env.sales, "class")
	client := provider.client(t)
	ask := func() (files, contents, versions []string) {
		response, err := client.Mount(t.Context(), w.own(t, volume, c))
		require.NoError(t, err)
		for i, file := range response.GetFiles() {
			files, contents = append(files, file.GetPath()), append(contents, string(file.GetContents()))
			require.Equal(t, file.GetPath(), response.GetObjectVersion()[i].GetId())
			versions = append(versions, response.GetObjectVersion()[i].GetVersion())
		}
		return files, contents, versions
	}
	files, values, before := ask()
	assert.Equal(t, want, files)
	assert.Equal(t, []string{"value of m", "value of z", "value of a", "value of k"}, values)
	_, _, again := ask()
	assert.Equal(t, before, again, "versions of what has not changed")

	w.put(t, ref(t, env.sales, category, "z"), "another value")
	_, _, after := ask()
	assert.NotEqual(t, before[1], after[1])
	before[1], after[1] = "", ""
	assert.Equal(t, before, after, "versions of what has not changed")
}
