//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// playFullNode starts as many pods at once as the node holds: with an emptyDir, and with our volume.
func playFullNode(t *testing.T) {
	s := begin(t, 10, "as many pods at once as the node holds, with an emptyDir and with our volume")
	s.settle(t)
	b, token := s.sales(t)
	plain := badge.Badge{Namespace: s.id("-plain"), ServiceAccount: "plain"}
	s.wear(t, plain)
	// What each pod does is the same but for the volume.
	ours := s.reader(b, "ours", volume{class: "own", files: []string{"sales/slack/bot_token"}})
	ours.Spec.Containers[0].Args = []string{"-serve", ":" + strconv.Itoa(port), "files", folder, "sales/slack/bot_token"}
	ours.Spec.Containers[0].ReadinessProbe = nil
	bare := ours.DeepCopy()
	bare.Namespace, bare.Spec.ServiceAccountName = plain.Namespace, plain.ServiceAccount
	bare.Spec.Containers[0].Args = []string{"-serve", ":" + strconv.Itoa(port), "variables"}
	bare.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}

	room := s.room(t)
	require.Greater(t, room, 10, "room on the node")
	s.measure("%d pods at once, from scheduled to running with an emptyDir: %s", room, s.crowd(t, bare, room))
	s.remove(t, plain.Namespace)
	before := s.loginsAt(t, "auth/kubernetes/login")
	s.measure("%d pods at once, from scheduled to running with our volume:  %s", room, s.crowd(t, ours, room))
	s.measure("their logins at Vault: %d; mounts tried again: %d; %s", s.loginsAt(t, "auth/kubernetes/login")-before, s.failedMounts(t, b.Namespace), s.footprint(t))

	list, err := s.Kube.CoreV1().Pods(b.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, room)
	for i := range list.Items {
		assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(token)}, s.told(t, &list.Items[i], 0))
		assert.Zero(t, list.Items[i].Status.ContainerStatuses[0].RestartCount)
	}
}

// room is how many more pods the node takes.
func (s *story) room(t *testing.T) int {
	t.Helper()
	node, err := s.Kube.CoreV1().Nodes().Get(t.Context(), s.Cluster.Node().Name(), metav1.GetOptions{})
	require.NoError(t, err)
	running, err := s.Kube.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
	require.NoError(t, err)
	return int(node.Status.Allocatable.Pods().Value()) - len(running.Items)
}

// crowd creates pods at once and waits until all run.
func (s *story) crowd(t *testing.T, like *corev1.Pod, size int) times {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute) // a hundred pods, on a machine with other work
	defer cancel()
	wait := s.stopwatch(ctx, like.Namespace, size, func(pod *corev1.Pod) error {
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	})
	for i := range size {
		pod := like.DeepCopy()
		pod.Name = fmt.Sprintf("%s-%d", like.Name, i)
		s.create(t, pod)
	}
	starts, err := wait()
	require.NoError(t, err)
	return starts
}

// footprint is what the provider takes of the node's memory, as the kernel counts it.
func (s *story) footprint(t *testing.T) string {
	t.Helper()
	out, err := s.Cluster.Node().Exec(t.Context(), "ps", "-C", "gtc-csi-provider", "-o", "rss=,args=")
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		resident, arguments, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(arguments, "--endpoint") {
			kilobytes, err := strconv.Atoi(resident)
			require.NoError(t, err)
			return fmt.Sprintf("the provider has %.1f MB resident", float64(kilobytes)/1000)
		}
	}
	require.NoError(t, errors.New("the provider does not run"))
	return ""
}
