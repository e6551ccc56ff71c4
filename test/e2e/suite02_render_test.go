//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// playRender is the main job: two teams' workers as the deployer renders them, fed from a laptop's dev-store file by way of Vault.
func playRender(t *testing.T) {
	s := begin(t, 2, "two teams mount what render emitted; their workers answer, by dev-store and by variables")
	values := map[string]string{
		"_/openai/api_key":          s.secret(t, "sk-"),
		"sales/slack/bot_token":     s.secret(t, "xoxb-"),
		"support/telegram/token":    s.secret(t, "123456789:"),
		"support/zendesk/empty_one": "",
	}
	e := s.environment(t, s.id(""), nil, slices.Sorted(maps.Keys(values))...)
	e.wire(t)
	e.importDevStore(t, values)

	rendered := e.render(t, "--worker-arg", "-serve", "--worker-arg", fmt.Sprintf(":%d", port), "--worker-arg", "dev-store")
	counts := kinds(rendered)
	assert.Zero(t, counts["Secret"], "values are not rendered")
	assert.Equal(t, 2, counts["SecretProviderClass"])
	s.apply(t, rendered...)
	deployments := deploymentsOf(t, rendered)
	require.Len(t, deployments, 2)
	for _, d := range deployments {
		t.Run("dev-store/"+d.Name, func(t *testing.T) {
			team := teamOf(d)
			pod := s.rolledOut(t, d)
			assert.Equal(t, e.toldByDevStore(t, team, values), s.told(t, pod, 0))
			s.holdsOnly(t, pod, e, team, values)
		})
	}
	t.Run("variables", func(t *testing.T) { e.byVariables(t, deployments[0], values) })
	t.Run("files", func(t *testing.T) { e.files(t) })
}

// importDevStore writes the values into a laptop's file, as Greentic does, and has the deployer bring it into Vault.
func (e *environment) importDevStore(t *testing.T, values map[string]string) {
	t.Helper()
	var entries []record.Entry
	for _, path := range slices.Sorted(maps.Keys(values)) {
		entries = append(entries, record.Entry{Meta: record.Meta{Ref: e.ref(t, path)}, Value: secret.NewString(values[path]), Version: 1})
	}
	text, err := record.WriteDevStore(entries, secret.Value{})
	require.NoError(t, err)
	file, err := e.story.Write(e.id+"/.dev.secrets.env", text)
	require.NoError(t, err)
	assert.Contains(t, e.deployer(t, "", "secrets", "import", file), fmt.Sprintf("%d written, 0 the same", len(values)))
	assert.Contains(t, e.deployer(t, "", "secrets", "import", file), fmt.Sprintf("0 written, %d the same", len(values)))
}

// toldByDevStore is what a team's worker tells of its dev-store: its own secrets and the tenant's.
func (e *environment) toldByDevStore(t *testing.T, team string, values map[string]string) map[string]string {
	t.Helper()
	told := map[string]string{}
	for path, value := range granted(team, values) {
		told["secrets"+strings.TrimPrefix(e.ref(t, path).String(), "secret")] = digest(value)
	}
	return told
}

// granted are the values that a team may have.
func granted(team string, values map[string]string) map[string]string {
	own := maps.Clone(values)
	maps.DeleteFunc(own, func(path, _ string) bool { return !strings.HasPrefix(path, team+"/") && !strings.HasPrefix(path, "_/") })
	return own
}

// rolledOut is a Deployment's one pod, when it is ready.
func (s *story) rolledOut(t *testing.T, d *appsv1.Deployment) *corev1.Pod {
	t.Helper()
	_, err := stage.Await(soon(t), s.Deployments(), d.Namespace, d.Name, stage.Available)
	require.NoError(t, err)
	selector := metav1.FormatLabelSelector(d.Spec.Selector)
	pods, err := s.Kube.CoreV1().Pods(d.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	require.NoError(t, err)
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil && stage.Ready(&pods.Items[i]) == nil {
			return &pods.Items[i]
		}
	}
	require.Fail(t, "the Deployment has no ready pod")
	return nil
}

// holdsOnly asserts what the node has in the pod's tmpfs: the granted values byte for byte at nested paths, mode 0644, root's, and no other.
func (s *story) holdsOnly(t *testing.T, pod *corev1.Pod, e *environment, team string, values map[string]string) {
	t.Helper()
	mounts := s.mounted(t, pod.UID)
	require.Len(t, mounts, 1)
	want := map[string]string{}
	for path, value := range granted(team, values) {
		want[e.ref(t, path).Path()] = "644 0:0 " + digest(value)
	}
	assert.Equal(t, want, s.listed(t, mounts[0]))
}

// listed is a volume's newest generation as the node sees it: mode, owner and digest of each file by path.
func (s *story) listed(t *testing.T, volume string) map[string]string {
	t.Helper()
	const script = `cd "$1/..data" && find . -type f -exec sh -c 'for f; do echo "$f $(stat -c "%a %u:%g" "$f") $(sha256sum < "$f" | cut -d" " -f1) $(stat -c %s "$f")"; done' sh {} +`
	out, err := s.Cluster.Node().Exec(t.Context(), "sh", "-c", script, "sh", volume)
	require.NoError(t, err)
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		require.Len(t, f, 5, line)
		files[strings.TrimPrefix(f[0], "./")] = fmt.Sprintf("%s %s sha256=%s bytes=%s", f[1], f[2], f[3], f[4])
	}
	return files
}

// byVariables rolls the worker over to variables that name references: gtc-exec gives it the values.
func (e *environment) byVariables(t *testing.T, d *appsv1.Deployment, values map[string]string) {
	d = d.DeepCopy()
	worker := &d.Spec.Template.Spec.Containers[0]
	require.Equal(t, "dev-store", worker.Command[len(worker.Command)-1])
	worker.Command = append(worker.Command[:len(worker.Command)-1], "variables", "OPENAI_API_KEY", "SLACK_BOT_TOKEN")
	worker.Env = append(worker.Env,
		corev1.EnvVar{Name: "OPENAI_API_KEY", Value: e.ref(t, "_/openai/api_key").String()},
		corev1.EnvVar{Name: "SLACK_BOT_TOKEN", Value: e.ref(t, "sales/slack/bot_token").String()},
	)
	before, err := e.story.Kube.AppsV1().Deployments(d.Namespace).Get(t.Context(), d.Name, metav1.GetOptions{})
	require.NoError(t, err)
	e.story.applyTyped(t, d)
	_, err = stage.Await(soon(t), e.story.Deployments(), d.Namespace, d.Name, func(now *appsv1.Deployment) error {
		if now.Generation == before.Generation {
			return fmt.Errorf("it is of generation %d still", now.Generation)
		}
		return stage.Available(now)
	})
	require.NoError(t, err)
	pod := e.story.rolledOut(t, d)
	assert.Equal(t, map[string]string{
		"OPENAI_API_KEY": digest(values["_/openai/api_key"]), "SLACK_BOT_TOKEN": digest(values["sales/slack/bot_token"]),
	}, e.story.told(t, pod, 0))
}

// files is a class by hand: paths of its own, modes, bytes that are no text, a field of a JSON object; read by a user who is not root.
func (e *environment) files(t *testing.T) {
	scope := e.scope(t, "sales")
	b := badge.For(badge.LayoutScope, scope)
	binary, object := "line one\nline two\x00\xff"+e.story.secret(t, ""), `{"user":"bot","password":"`+e.story.secret(t, "")+`"}`
	e.put(t, "sales/files/binary", binary)
	e.put(t, "sales/files/object", object)
	e.story.applyTyped(t, class(b.Namespace, "by-hand", map[string]string{"scope": scope.String(), "objects": objects(
		fmt.Sprintf("ref: %s", e.ref(t, "sales/files/binary")),
		fmt.Sprintf("{ref: %s, file: very/deeply/nested/key.bin, mode: \"0444\"}", e.ref(t, "sales/files/binary")),
		fmt.Sprintf("{ref: %s, file: roots-own, mode: \"0400\"}", e.ref(t, "sales/files/binary")),
		fmt.Sprintf("{ref: %s, file: user, key: user}", e.ref(t, "sales/files/object")),
		fmt.Sprintf("{ref: %s, file: absent, optional: true}", e.ref(t, "sales/files/nowhere")),
	)}))
	pod := e.story.start(t, e.story.reader(b, "by-hand", volume{class: "by-hand", files: []string{"sales/files/binary", "very/deeply/nested/key.bin", "user"}}))
	assert.Equal(t, map[string]string{
		"sales/files/binary": digest(binary), "very/deeply/nested/key.bin": digest(binary), "user": digest("bot"),
	}, e.story.told(t, pod, 0))
	mounts := e.story.mounted(t, pod.UID)
	require.Len(t, mounts, 1)
	assert.Equal(t, map[string]string{
		"sales/files/binary": "644 0:0 " + digest(binary), "very/deeply/nested/key.bin": "444 0:0 " + digest(binary),
		"roots-own": "400 0:0 " + digest(binary), "user": "644 0:0 " + digest("bot"),
	}, e.story.listed(t, mounts[0]))
	e.notRoots(t, b)
}

// notRoots is a reader of a file that only root may read: it ends, saying so, and is never ready.
func (e *environment) notRoots(t *testing.T, b badge.Badge) {
	pod := e.story.reader(b, "not-root", volume{class: "by-hand", files: []string{"roots-own"}})
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.Containers[0].TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	e.story.create(t, pod)
	ended, err := stage.Await(soon(t), e.story.Pods(), pod.Namespace, pod.Name, func(p *corev1.Pod) error {
		if p.Status.Phase != corev1.PodFailed {
			return stage.Ready(p)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, ended.Status.ContainerStatuses, 1)
	require.NotNil(t, ended.Status.ContainerStatuses[0].State.Terminated, "it is ready")
	assert.Contains(t, ended.Status.ContainerStatuses[0].State.Terminated.Message, "permission denied")
}

// teamOf is the team of a rendered worker.
func teamOf(d *appsv1.Deployment) string {
	return strings.TrimSuffix(strings.TrimPrefix(d.Name, "gtc-worker-"), "-bot")
}

func isDeployment(object *unstructured.Unstructured) bool { return object.GetKind() == "Deployment" }

func deploymentsOf(t *testing.T, objects []*unstructured.Unstructured) []*appsv1.Deployment {
	t.Helper()
	var found []*appsv1.Deployment
	for _, object := range objects {
		if !isDeployment(object) {
			continue
		}
		d := &appsv1.Deployment{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, d))
		found = append(found, d)
	}
	return found
}
