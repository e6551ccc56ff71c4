//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// patience is how long something may take that takes seconds on an idle machine.
const patience = 3 * time.Minute

// story is one suite: what it shares with the others (the stage), and what is its own.
type story struct {
	*stage.Stage
	number int

	mu         sync.Mutex // guards what follows
	namespaces []string
	measured   []string

	aside time.Duration // while other suites were played
}

// begin begins the suite that is told by a Test function. At its end its namespaces are deleted, its result is reported, and after a failure
// everything that could tell why is kept.
func begin(t *testing.T, number int, what string) *story {
	t.Helper()
	s := &story{Stage: harness.stage, number: number}
	began := time.Now()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if t.Failed() {
			assert.NoError(t, collect(ctx, s.Stage, fmt.Sprintf("%02d", number)))
		}
		s.clean(ctx, t)
		harness.report.add(result{Number: number, What: what, Seconds: seconds(time.Since(began) - s.aside), OK: !t.Failed(), Measured: s.measured})
	})
	s.removeLeft(t)
	return s
}

// standAside lets the suites that follow be played, and returns when they are over.
func (s *story) standAside(t *testing.T) {
	t.Helper()
	began := time.Now()
	t.Parallel()
	s.aside += time.Since(began)
}

// removeLeft deletes the namespaces that an earlier run of the suite has left in a cluster that was left up.
func (s *story) removeLeft(t *testing.T) {
	t.Helper()
	left, err := s.left(t.Context(), s.id(""))
	require.NoError(t, err)
	require.NoError(t, s.deleteNamespaces(soon(t), left...))
	require.NoError(t, s.awaitGone(soon(t), left...))
}

// left are the namespaces of suites whose names begin with id.
func (s *story) left(ctx context.Context, id string) ([]string, error) {
	list, err := s.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var left []string
	for _, namespace := range list.Items {
		if strings.HasPrefix(namespace.Name, id) || strings.HasPrefix(namespace.Name, "gtc-"+id) {
			left = append(left, namespace.Name)
		}
	}
	return left, nil
}

// measure adds a line to the report.
func (s *story) measure(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measured = append(s.measured, fmt.Sprintf(format, args...))
}

// id names something of this suite's: environments, namespaces, classes.
func (s *story) id(suffix string) string {
	return fmt.Sprintf("%s%02d%s", suitePrefix, s.number, suffix)
}

// suitePrefix begins the names of all suites' environments and namespaces.
const suitePrefix = "e2e"

// apply applies objects and remembers their namespaces for the end.
func (s *story) apply(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	s.mu.Lock()
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			s.namespaces = append(s.namespaces, object.GetName())
		}
	}
	s.mu.Unlock()
	require.NoError(t, s.Apply(t.Context(), objects...))
}

// applyTyped is apply for typed objects.
func (s *story) applyTyped(t *testing.T, typed ...runtime.Object) {
	t.Helper()
	objects, err := stage.Objects(typed...)
	require.NoError(t, err)
	s.apply(t, objects...)
}

// tryTyped is applyTyped where the API server may refuse.
func (s *story) tryTyped(t *testing.T, typed runtime.Object) error {
	t.Helper()
	objects, err := stage.Objects(typed)
	require.NoError(t, err)
	return s.Apply(t.Context(), objects...)
}

// eventually asks again and again, for what cannot be watched, until ask has nothing to complain of.
func (s *story) eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextCancel(soon(t), 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		complaint := ask(ctx)
		if ctx.Err() == nil { // what is said for want of time says nothing
			last = complaint
		}
		return complaint == nil, nil
	})
	require.NoError(t, err, "%s: %v", what, last)
}

// reconfigure upgrades the chart with changed values and returns when the provider works by them. At the test's end the stage's own are put back.
func (s *story) reconfigure(t *testing.T, change map[string]any) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, s.Reconfigure(ctx, nil))
	})
	require.NoError(t, s.Reconfigure(soon(t), change))
}

// keep leaves the namespaces so far, with all that is in them, to the suites that follow.
func (s *story) keep() { s.namespaces = nil }

// clean deletes the suite's namespaces with all that is in them. Their end takes a while, and the next suite need not wait for it: settle does.
func (s *story) clean(ctx context.Context, t *testing.T) {
	t.Helper()
	if assert.NoError(t, s.deleteNamespaces(ctx, s.namespaces...)) {
		harness.leaving = append(harness.leaving, s.namespaces...)
	}
}

// settle returns when all that earlier suites have deleted is gone: for a suite that counts the node's pods, or takes away what pods need to end.
func (s *story) settle(t *testing.T) {
	t.Helper()
	require.NoError(t, s.awaitGone(soon(t), harness.leaving...))
	harness.leaving = nil
}

// remove deletes a namespace that may be there, now.
func (s *story) remove(t *testing.T, namespace string) {
	t.Helper()
	require.NoError(t, s.deleteNamespaces(soon(t), namespace))
	require.NoError(t, s.awaitGone(soon(t), namespace))
}

// deleteNamespaces deletes the pods first, and before them what would make them anew: a namespace's controller waits a good while for pods that
// it finds. It does not wait for their end.
func (s *story) deleteNamespaces(ctx context.Context, names ...string) error {
	background, grace := metav1.DeletePropagationBackground, int64(1)
	makers, pods := metav1.DeleteOptions{PropagationPolicy: &background}, metav1.DeleteOptions{GracePeriodSeconds: &grace}
	for _, name := range names {
		err := errors.Join(
			s.Kube.AppsV1().Deployments(name).DeleteCollection(ctx, makers, metav1.ListOptions{}),
			s.Kube.AppsV1().ReplicaSets(name).DeleteCollection(ctx, makers, metav1.ListOptions{}),
			s.Kube.CoreV1().Pods(name).DeleteCollection(ctx, pods, metav1.ListOptions{}),
		)
		if err != nil {
			return err
		}
		if err := s.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); ignoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

func (s *story) awaitGone(ctx context.Context, namespaces ...string) error {
	for _, name := range namespaces {
		if err := stage.AwaitGone(ctx, s.Namespaces(), "", name); err != nil {
			return err
		}
	}
	return nil
}

// soon is a context that ends when patience does.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
