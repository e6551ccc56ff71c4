package stage

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// Kind is a resource whose objects can be watched.
type Kind[T runtime.Object] struct {
	client rest.Interface
	plural string
	zero   T
}

// Pods are watched by Await.
func (s *Stage) Pods() Kind[*corev1.Pod] {
	return Kind[*corev1.Pod]{s.Kube.CoreV1().RESTClient(), "pods", &corev1.Pod{}}
}

// Events are watched by Await.
func (s *Stage) Events() Kind[*corev1.Event] {
	return Kind[*corev1.Event]{s.Kube.CoreV1().RESTClient(), "events", &corev1.Event{}}
}

// Secrets are watched by Await.
func (s *Stage) Secrets() Kind[*corev1.Secret] {
	return Kind[*corev1.Secret]{s.Kube.CoreV1().RESTClient(), "secrets", &corev1.Secret{}}
}

// Namespaces are watched by Await.
func (s *Stage) Namespaces() Kind[*corev1.Namespace] {
	return Kind[*corev1.Namespace]{s.Kube.CoreV1().RESTClient(), "namespaces", &corev1.Namespace{}}
}

// Deployments are watched by Await.
func (s *Stage) Deployments() Kind[*appsv1.Deployment] {
	return Kind[*appsv1.Deployment]{s.Kube.AppsV1().RESTClient(), "deployments", &appsv1.Deployment{}}
}

// DaemonSets are watched by Await.
func (s *Stage) DaemonSets() Kind[*appsv1.DaemonSet] {
	return Kind[*appsv1.DaemonSet]{s.Kube.AppsV1().RESTClient(), "daemonsets", &appsv1.DaemonSet{}}
}

// Await watches the objects of a kind in a namespace, all of them or the one that is called name, until done is nil for one: that one is
// returned. Otherwise, at the context's end, the error is what done said last.
func Await[T runtime.Object](ctx context.Context, kind Kind[T], namespace, name string, done func(T) error) (T, error) {
	var found T
	last := errors.New("there is none")
	_, err := watchtools.UntilWithSync(ctx, kind.listWatch(namespace, name), kind.zero, nil, func(event watch.Event) (bool, error) {
		object, is := event.Object.(T)
		switch {
		case !is:
			return false, fmt.Errorf("a %T came by", event.Object)
		case event.Type == watch.Deleted:
			last = errors.New("it is gone")
			return false, nil
		}
		if last = done(object); last == nil {
			found = object
		}
		return last == nil, nil
	})
	if err != nil {
		return found, fmt.Errorf("waiting for %s %q: %w: %w", kind.plural, namespace+"/"+name, err, last)
	}
	return found, nil
}

// AwaitGone returns when there is no such object any more.
func AwaitGone[T runtime.Object](ctx context.Context, kind Kind[T], namespace, name string) error {
	none := func(store cache.Store) (bool, error) { return len(store.List()) == 0, nil }
	_, err := watchtools.UntilWithSync(ctx, kind.listWatch(namespace, name), kind.zero, none, func(event watch.Event) (bool, error) {
		return event.Type == watch.Deleted, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the end of %s %q: %w", kind.plural, namespace+"/"+name, err)
	}
	return nil
}

func (k Kind[T]) listWatch(namespace, name string) *cache.ListWatch {
	return cache.NewFilteredListWatchFromClient(k.client, k.plural, namespace, func(o *metav1.ListOptions) {
		if name != "" {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
		}
	})
}

// Ready says what a pod lacks to be running with all its containers ready.
func Ready(pod *corev1.Pod) error {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("it is %s: %s", pod.Status.Phase, containers(pod))
}

func containers(pod *corev1.Pod) string {
	text := ""
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		switch {
		case status.State.Waiting != nil:
			text += fmt.Sprintf("%s waits (%s %s); ", status.Name, status.State.Waiting.Reason, status.State.Waiting.Message)
		case status.State.Terminated != nil:
			text += fmt.Sprintf("%s ended (%d %s); ", status.Name, status.State.Terminated.ExitCode, status.State.Terminated.Reason)
		}
	}
	return text
}

// Available says what a Deployment lacks to be rolled out: all its pods of its newest generation, and none of an older one.
func Available(d *appsv1.Deployment) error {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	status := d.Status
	if status.ObservedGeneration >= d.Generation && status.UpdatedReplicas == want && status.AvailableReplicas == want && status.Replicas == want {
		return nil
	}
	return fmt.Errorf("%d of %d pods are updated, %d available, %d in all", status.UpdatedReplicas, want, status.AvailableReplicas, status.Replicas)
}

// RolledOut says what a DaemonSet lacks to be ready on every node in its newest generation.
func RolledOut(d *appsv1.DaemonSet) error {
	status := d.Status
	if status.ObservedGeneration >= d.Generation && status.DesiredNumberScheduled > 0 &&
		status.UpdatedNumberScheduled == status.DesiredNumberScheduled && status.NumberAvailable == status.DesiredNumberScheduled {
		return nil
	}
	return fmt.Errorf("%d of %d pods are updated, %d available", status.UpdatedNumberScheduled, status.DesiredNumberScheduled, status.NumberAvailable)
}
