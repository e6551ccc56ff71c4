package kind

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/greenticai/gtc-csi-provider/test/kind/node"
)

func TestConfigurationIsKindsOwnButForWhatTheMachineAndTheImageNeed(t *testing.T) {
	const cgroups = "kind: KubeletConfiguration\nfailCgroupV1: false\n"
	const made = "kind: ClusterConfiguration\netcd:\n  local:\n    imageTag: \"3.7.3-0\"\n    extraArgs:\n      unsafe-no-fsync: \"true\"\n" +
		"dns:\n  imageTag: \"v1.14.7\"\n"
	ours := &node.Made{EtcdTag: "3.7.3-0", DNSTag: "v1.14.7"}
	for name, row := range map[string]struct {
		made     *node.Made
		cgroupV1 bool
		patches  []string
	}{
		"published, cgroup 2": {},
		"published, cgroup 1": {cgroupV1: true, patches: []string{cgroups}},
		"made, cgroup 2":      {made: ours, patches: []string{made}},
		"made, cgroup 1":      {made: ours, cgroupV1: true, patches: []string{cgroups, made}},
	} {
		t.Run(name, func(t *testing.T) {
			config := configuration(node.Node{Image: "a:b", Made: row.made}, row.cgroupV1)
			assert.Equal(t, row.patches, config.KubeadmConfigPatches)
			assert.Equal(t, row.made != nil, config.Networking.DisableDefaultCNI)
			require.Len(t, config.Nodes, 1)
			assert.Equal(t, v1alpha4.ControlPlaneRole, config.Nodes[0].Role)
		})
	}
}

func TestCgroupVersionIsReadFromTheMount(t *testing.T) {
	mount := t.TempDir()
	assert.True(t, cgroupV1(mount))
	require.NoError(t, os.WriteFile(filepath.Join(mount, "cgroup.controllers"), nil, 0o600))
	assert.False(t, cgroupV1(mount))
}

func TestANodeIsReadyWhenPodsMayCome(t *testing.T) {
	since := time.Now().Truncate(time.Second)
	baseline := func() *corev1.Node {
		return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse},
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.NewTime(since)},
		}}}
	}
	assert.True(t, nodeReady(baseline(), since))
	for name, mutate := range map[string]func(n *corev1.Node){
		"not ready": func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse },
		"unknown":   func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionUnknown },
		"not said":  func(n *corev1.Node) { n.Status.Conditions = n.Status.Conditions[:1] },
		"said before": func(n *corev1.Node) {
			n.Status.Conditions[1].LastHeartbeatTime = metav1.NewTime(since.Add(-time.Second))
		},
		"pods are kept off it": func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/not-ready"}} },
	} {
		node := baseline()
		mutate(node)
		assert.False(t, nodeReady(node, since), name)
	}
}

func TestAPodIsReadyWhenItsContainersHaveStartedSince(t *testing.T) {
	since := time.Now().Truncate(time.Second)
	baseline := func() corev1.Pod {
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}
		return corev1.Pod{Status: corev1.PodStatus{
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{State: running}},
		}}
	}
	assert.True(t, podReady(baseline(), since))
	for name, mutate := range map[string]func(p *corev1.Pod){
		"not ready": func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse },
		"not said":  func(p *corev1.Pod) { p.Status.Conditions = nil },
		"ended":     func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State = corev1.ContainerState{} },
		"started before": func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(since.Add(-time.Second))
		},
	} {
		pod := baseline()
		mutate(&pod)
		assert.False(t, podReady(pod, since), name)
	}
}

func TestACollectionHoldsNoSecret(t *testing.T) {
	for file, args := range kubectl() {
		for _, arg := range args {
			assert.NotRegexp(t, `(^|,)secrets?($|,)`, arg, file)
		}
	}
}

func TestACollectionReplacesTheOneBefore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	require.NoError(t, makeRoom(dir))
	for _, name := range []string{"pods.txt", "journal.log", "mine.txt", "pods/a_b_c/worker/0.log"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	require.NoError(t, makeRoom(dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "what the collection keeps is gone")
	assert.Equal(t, "mine.txt", left[0].Name(), "a stranger's file stays")
}
