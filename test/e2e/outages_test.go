//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// crewSize is how many workers start during each outage, and standing how many run through all of them.
const (
	crewSize = 3
	standing = 2
)

// crewLabel tells the crews apart.
const crewLabel = "e2e.greentic.ai/crew"

// outages is what suite 8 plays with: a team whose worker was rendered, run in crews.
type outages struct {
	*environment
	scope     secretref.Scope
	namespace string
	rendered  *appsv1.Deployment
	told      map[string]string // what a worker tells that has its secrets
	asker     *asker
	crews     []string // so far
	started   int      // workers of all crews
}

// outages starts the workers that run through all of it.
func (s *story) outages(t *testing.T) *outages {
	t.Helper()
	e := s.environment(t, s.id(""), nil, "sales/slack/bot_token", "_/openai/api_key")
	e.wire(t)
	o := &outages{environment: e, scope: e.scope(t, "sales"), told: map[string]string{}}
	for _, path := range []string{"sales/slack/bot_token", "_/openai/api_key"} {
		value := s.secret(t, "")
		e.put(t, path, value)
		o.told[path] = digest(value)
	}
	o.namespace = badge.For(badge.LayoutScope, o.scope).Namespace
	var flags []string
	for _, argument := range append([]string{"-serve", fmt.Sprintf(":%d", port), "-watch", "files", "/var/run/greentic/secrets"}, slices.Sorted(maps.Keys(o.told))...) {
		flags = append(flags, "--worker-arg", argument)
	}
	rendered := e.render(t, flags...)
	deployments := deploymentsOf(t, rendered)
	require.Len(t, deployments, 1)
	o.rendered = deployments[0]
	s.apply(t, slices.DeleteFunc(rendered, isDeployment)...)
	o.crew(t, "standing", standing)
	s.applyTyped(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: "standing"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: map[string]string{crewLabel: "standing"},
			Ports: []corev1.ServicePort{{Port: port, TargetPort: intstr.FromInt(port)}},
		},
	})
	o.heal(t)
	o.asker = s.ask(t, o.namespace, "standing", o.told)
	return o
}

// crew starts workers: the Deployment that was rendered, under a name and with a number of its own.
func (o *outages) crew(t *testing.T, name string, size int32) {
	t.Helper()
	d := o.rendered.DeepCopy()
	d.Name, d.Spec.Replicas = name, &size
	d.Spec.Selector.MatchLabels[crewLabel] = name
	d.Spec.Template.Labels[crewLabel] = name
	d.Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{} // the rendered ones are for some more processors
	o.story.applyTyped(t, d)
	o.crews = append(o.crews, name)
	o.started += int(size)
}

// starting starts a crew and returns when a first pod of it has a node.
func (o *outages) starting(t *testing.T, name string) {
	t.Helper()
	o.crew(t, name, crewSize)
	_, err := stage.Await(soon(t), o.story.Pods(), o.namespace, "", func(pod *corev1.Pod) error {
		if pod.Labels[crewLabel] == name && pod.Spec.NodeName != "" {
			return nil
		}
		return fmt.Errorf("pod %s is on node %q", pod.Name, pod.Spec.NodeName)
	})
	require.NoError(t, err)
}

// heal returns when everything is as it should be again, by itself: the workers of all crews run, and each tells its secrets. What the API says of
// them may be from before the outage, so they are asked first.
func (o *outages) heal(t *testing.T) {
	t.Helper()
	s := o.story
	var last error
	err := wait.PollUntilContextCancel(long(t), 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		last = o.allTell(ctx)
		return last == nil, nil
	})
	require.NoError(t, err, "the workers do not tell their secrets: %v", last)
	for _, crew := range o.crews {
		_, err := stage.Await(long(t), s.Deployments(), o.namespace, crew, stage.Available)
		require.NoError(t, err)
	}
	_, err = stage.Await(soon(t), s.DaemonSets(), stage.Namespace, stage.Release, stage.RolledOut)
	require.NoError(t, err)
	_, err = stage.Await(soon(t), s.Deployments(), stage.VaultNamespace, "vault", stage.Available)
	require.NoError(t, err)
}

// allTell says what is missing until all workers are there and tell what they should.
func (o *outages) allTell(ctx context.Context) error {
	list, err := o.story.Kube.CoreV1().Pods(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) != o.started {
		return fmt.Errorf("there are %d workers, and %d were started", len(list.Items), o.started)
	}
	for i := range list.Items {
		pod := &list.Items[i]
		text, err := o.story.answer(ctx, pod, 0)
		if err == nil && !maps.Equal(lines(text), o.told) {
			err = fmt.Errorf("it tells %s", text)
		}
		if err != nil {
			return fmt.Errorf("worker %s: %w", pod.Name, err)
		}
	}
	return nil
}

func (o *outages) pods(ctx context.Context, crew string) ([]corev1.Pod, error) {
	list, err := o.story.Kube.CoreV1().Pods(o.namespace).List(ctx, metav1.ListOptions{LabelSelector: crewLabel + "=" + crew})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// signal sends a signal to a program of the node's pods.
func (o *outages) signal(t *testing.T, name, program string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	_, err := o.story.Cluster.Node().Exec(ctx, "pkill", "-"+name, "--full", program)
	require.NoError(t, err)
}

// stop stops a program where it stands, until goOn is called or the test ends.
func (o *outages) stop(t *testing.T, program string) (goOn func()) {
	t.Helper()
	o.signal(t, "STOP", program)
	stopped := true
	goOn = func() {
		if stopped {
			stopped = false
			o.signal(t, "CONT", program)
		}
	}
	t.Cleanup(goOn)
	return goOn
}

// process is a program's process number on the node; "" where it does not run.
func (o *outages) process(ctx context.Context, program string) string {
	out, err := o.story.Cluster.Node().Exec(ctx, "pgrep", "--full", program)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// replaced deletes pods that are made again, and returns when they are gone.
func (o *outages) replaced(t *testing.T, namespace, selector string) {
	t.Helper()
	pods := o.story.Kube.CoreV1().Pods(namespace)
	list, err := pods.List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	require.NoError(t, err)
	require.NotEmpty(t, list.Items)
	for _, pod := range list.Items {
		require.NoError(t, pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	}
	for _, pod := range list.Items {
		require.NoError(t, stage.AwaitGone(soon(t), o.story.Pods(), namespace, pod.Name))
	}
}

// history asserts, of all workers of the suite and all their containers from first to last, that none ended for want of a secret and that none
// told anything but its secrets. gtc-exec may have held one back, with exit code 69, and the node's end ends all.
func (o *outages) history(t *testing.T) {
	s := o.story
	list, err := s.Kube.CoreV1().Pods(o.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, o.started)
	for _, pod := range list.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if ended := status.LastTerminationState.Terminated; ended != nil {
				assert.Contains(t, []int32{0, 69, 137, 143, 255}, ended.ExitCode, "%s of %s: %s", status.Name, pod.Name, ended.Message)
			}
		}
	}
	logs, err := s.Cluster.Node().Exec(t.Context(), "sh", "-c", `cat /var/log/pods/"$1"_*/worker/*.log`, "sh", o.namespace)
	require.NoError(t, err)
	starts, held := 0, 0
	for line := range strings.Lines(string(logs)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4) // time, stream, F, text
		require.Len(t, fields, 4, line)
		name, what, _ := strings.Cut(fields[3], " ")
		switch {
		case fields[1] == "stdout" && name == "listening":
			starts++
		case fields[1] == "stdout":
			assert.Equal(t, o.told[name], what, line)
		case strings.HasPrefix(fields[3], "gtc-exec: waiting"):
			held++
		case name == "worker:":
			assert.Fail(t, "a worker ended for want of a secret", line)
		}
	}
	assert.GreaterOrEqual(t, starts, o.started)
	assert.Positive(t, held, "gtc-exec has held a worker back")
	s.measure("%d workers were started %d times and held back %d times; none was without its secrets", o.started, starts, held)
}
