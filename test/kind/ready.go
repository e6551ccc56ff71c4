package kind

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	readyTime = 4 * time.Minute
	lookAgain = 250 * time.Millisecond
	oneLook   = 10 * time.Second // an API server that restarts may keep a connection open and silent
)

// await waits until pods can live: kind itself returns before the default ServiceAccount and kube-proxy are there, since a network that is
// configured beforehand makes the node ready at once. What was said before since does not count: after a restart the API server repeats it.
func (c *Cluster) await(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, errors.New("it took too long"))
	defer cancel()
	since = since.Truncate(time.Second) // as the API's times are
	for {
		err := c.look(ctx, since)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the cluster to be ready: %w: %w", context.Cause(ctx), err)
		case <-time.After(lookAgain):
		}
	}
}

// look says what is not ready yet.
func (c *Cluster) look(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, oneLook)
	defer cancel()
	node, err := c.client.CoreV1().Nodes().Get(ctx, c.Node().name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("asking for the node: %w", err)
	}
	if !nodeReady(node, since) {
		return fmt.Errorf("the node %s is not ready", node.Name)
	}
	for _, app := range []string{"kube-proxy", "kube-dns"} {
		pods, err := c.client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=" + app})
		if err != nil {
			return fmt.Errorf("asking for the pods of %s: %w", app, err)
		}
		if !slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool { return podReady(pod, since) }) {
			return fmt.Errorf("no pod of %s is ready", app)
		}
	}
	if _, err := c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("asking for the default ServiceAccount: %w", err)
	}
	return nil
}

// nodeReady says whether the kubelet has called its node ready since then, and nothing keeps pods off it.
func nodeReady(node *corev1.Node, since time.Time) bool {
	return len(node.Spec.Taints) == 0 && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Time.Before(since)
	})
}

// podReady says whether a pod is ready and all its containers were started since then.
func podReady(pod corev1.Pod, since time.Time) bool {
	ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	return ready && !slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running == nil || s.State.Running.StartedAt.Time.Before(since)
	})
}
