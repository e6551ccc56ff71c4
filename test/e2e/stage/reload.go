package stage

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Nudge has a pod's kubelet look at the pod now, and so at its volumes, which it else does once in a minute or more: by a change of an annotation.
func (s *Stage) Nudge(ctx context.Context, pod *corev1.Pod) error {
	patch := fmt.Appendf(nil, `{"metadata": {"annotations": {"e2e.greentic.ai/nudged": %q}}}`, time.Now().Format(time.RFC3339Nano))
	_, err := s.Kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

// Reconfigure is InstallChart that returns when every provider, also one that ran before, works by the configuration that the change makes. Providers read it again by
// themselves, as soon as their kubelets have brought it to them.
func (s *Stage) Reconfigure(ctx context.Context, change map[string]any) error {
	was, err := s.configuration(ctx)
	if apierrors.IsNotFound(err) {
		return s.InstallChart(ctx, change)
	}
	if err != nil {
		return err
	}
	before, err := s.reloads(ctx)
	if err != nil {
		before = nil // providers that do not run are started anew, by the new configuration
	}
	if err := s.InstallChart(ctx, change); err != nil {
		return err
	}
	if is, err := s.configuration(ctx); err != nil || maps.Equal(was, is) {
		return err
	}
	pods, err := s.Providers(ctx)
	if err != nil {
		return err
	}
	for i := range pods {
		if err := s.Nudge(ctx, &pods[i]); err != nil {
			return err
		}
	}
	return wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		now, err := s.reloads(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // a pod that is being replaced does not answer
		}
		for name, count := range now {
			if known, same := before[name]; same && count <= known {
				return false, nil
			}
		}
		return true, nil
	})
}

// Providers are the pods of the chart's DaemonSet that are to stay.
func (s *Stage) Providers(ctx context.Context) ([]corev1.Pod, error) {
	list, err := s.Kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + Release})
	if err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil && len(pod.OwnerReferences) == 1 && pod.OwnerReferences[0].Kind == "DaemonSet" {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

// Metrics are a provider's.
func (s *Stage) Metrics(ctx context.Context, pod string) (string, error) {
	text, err := s.Kube.CoreV1().Pods(Namespace).ProxyGet("http", pod, "8081", "/metrics", nil).DoRaw(ctx)
	return string(text), err
}

// Configuration is the provider's, as its operator has it in a file.
func (s *Stage) Configuration(ctx context.Context) ([]byte, error) {
	stored, err := s.configuration(ctx)
	return []byte(stored["provider.yaml"]), err
}

func (s *Stage) configuration(ctx context.Context) (map[string]string, error) {
	stored, err := s.Kube.CoreV1().ConfigMaps(Namespace).Get(ctx, Release, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return stored.Data, nil
}

// reloads is how many changes of its configuration each provider has taken over.
func (s *Stage) reloads(ctx context.Context) (map[string]int, error) {
	pods, err := s.Providers(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, pod := range pods {
		text, err := s.Metrics(ctx, pod.Name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			if count, found := strings.CutPrefix(line, `greentic_provider_config_reloads_total{result="ok"} `); found {
				if counts[pod.Name], err = strconv.Atoi(strings.TrimSpace(count)); err != nil {
					return nil, err
				}
			}
		}
	}
	return counts, nil
}
