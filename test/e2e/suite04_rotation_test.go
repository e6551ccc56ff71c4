//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// rotations are how many a reader of two files is watched through.
const rotations = 10

// playRotation changes values in Vault under running pods, all at once, since most of them wait for their kubelets. There is a team for each way in
// which a worker can learn of it.
func playRotation(t *testing.T) {
	s := begin(t, 4, "rotation is asked for by a budget, arrives by itself, never torn; gtc-exec run --watch acts")
	e := s.environment(t, s.id(""), nil, "rewrite/slack/token", "restart/slack/token", "signal/slack/token", "files/pair/both", "files/slack/token")
	e.wire(t)
	workers, pair, remembered := e.watchers(t), e.pair(t), e.remembered(t)
	for _, w := range workers {
		t.Run("watch "+w.mode, func(t *testing.T) {
			t.Parallel()
			e.watches(t, w)
		})
	}
	t.Run("within the budget", func(t *testing.T) {
		t.Parallel()
		e.isRemembered(t, remembered)
	})
	t.Run("torn", func(t *testing.T) {
		t.Parallel()
		e.isNeverTorn(t, pair)
	})
}

// watcher is a worker behind gtc-exec with --watch.
type watcher struct {
	mode      string   // of --watch
	arguments []string // the worker's own
	name      string   // under which it tells of its secret
	path      string   // of the secret
	pod       *corev1.Pod
}

// watchers starts one for each mode, by the environment's rendered workers.
func (e *environment) watchers(t *testing.T) []watcher {
	t.Helper()
	rendered := e.render(t, "--worker-arg", "-serve", "--worker-arg", fmt.Sprintf(":%d", port), "--worker-arg", "REPLACED")
	e.story.apply(t, slices.DeleteFunc(slices.Clone(rendered), isDeployment)...)
	deployments := map[string]*appsv1.Deployment{}
	for _, d := range deploymentsOf(t, rendered) {
		deployments[teamOf(d)] = d
	}
	watchers := []watcher{
		{mode: "rewrite", arguments: []string{"dev-store"}},
		{mode: "restart", arguments: []string{"variables", "TOKEN"}, name: "TOKEN"},
		{mode: "signal=HUP", arguments: []string{"-reload", "dev-store"}},
	}
	for i := range watchers {
		w := &watchers[i]
		team, _, _ := strings.Cut(w.mode, "=")
		w.path = team + "/slack/token"
		e.put(t, w.path, e.story.secret(t, "xoxb-"))
		ref := e.ref(t, w.path).String()
		if w.name == "" {
			w.name = "secrets" + strings.TrimPrefix(ref, "secret")
		}
		worker := &deployments[team].Spec.Template.Spec.Containers[0]
		require.Equal(t, "run", worker.Command[1])
		require.Equal(t, "REPLACED", worker.Command[len(worker.Command)-1])
		worker.Command = slices.Concat(worker.Command[:2], []string{"--watch", w.mode}, worker.Command[2:len(worker.Command)-1], w.arguments)
		worker.Env = append(worker.Env, corev1.EnvVar{Name: "TOKEN", Value: ref})
		e.story.applyTyped(t, deployments[team])
	}
	for i := range watchers {
		team, _, _ := strings.Cut(watchers[i].mode, "=")
		watchers[i].pod = e.story.rolledOut(t, deployments[team])
	}
	return watchers
}

// pair is a pod with two files that change together, what it has been told last, and what Vault has.
type pair struct {
	pod          *corev1.Pod
	seen, stored string
}

// pair starts one. Its class has the stage's own refresh interval, by which each call of the driver reads from Vault.
func (e *environment) pair(t *testing.T) pair {
	t.Helper()
	s, p := e.story, pair{seen: e.story.secret(t, ""), stored: e.story.secret(t, "")}
	e.put(t, "files/pair/both", both(p.seen))
	ref := e.ref(t, "files/pair/both").String()
	b := e.class(t, "pair", map[string]string{"objects": objects(
		fmt.Sprintf("{ref: %s, file: a, key: a}", ref), fmt.Sprintf("{ref: %s, file: b, key: b}", ref),
	)})
	p.pod = s.start(t, s.reader(b, "pair", volume{class: "pair", files: []string{"a", "b"}}))
	e.put(t, "files/pair/both", both(p.stored))
	return p
}

// class makes a class of the team files, which wears its badge.
func (e *environment) class(t *testing.T, name string, parameters map[string]string) badge.Badge {
	t.Helper()
	scope := e.scope(t, "files")
	b := badge.For(badge.LayoutScope, scope)
	e.story.wear(t, b)
	parameters["scope"] = scope.String()
	e.story.applyTyped(t, class(b.Namespace, name, parameters))
	return b
}

// remembered is a pod with a budget, and the value that it was told.
type remembered struct {
	pod  *corev1.Pod
	seen string
}

// remembered starts one, with a budget that lasts longer than the suite on any machine.
func (e *environment) remembered(t *testing.T) remembered {
	t.Helper()
	r := remembered{seen: e.story.secret(t, "xoxb-")}
	e.put(t, "files/slack/token", r.seen)
	b := e.class(t, "remembered", map[string]string{
		"refreshInterval": "1h", "objects": objects("{ref: " + e.ref(t, "files/slack/token").String() + ", file: token}"),
	})
	r.pod = e.story.start(t, e.story.reader(b, "remembered", volume{class: "remembered", files: []string{"token"}}))
	return r
}

// isRemembered has the driver ask again for a volume with a value that has changed meanwhile: within the refresh interval Vault hears nothing of it.
func (e *environment) isRemembered(t *testing.T, r remembered) {
	s := e.story
	e.put(t, "files/slack/token", s.secret(t, "xoxb-"))
	asked := s.asked(t, r.pod, "")
	require.NotZero(t, asked, "requests to Vault for the pod")
	s.heardAgain(t, r.pod)
	assert.Equal(t, asked, s.asked(t, r.pod, ""), "requests to Vault for the pod")
	assert.Equal(t, map[string]string{"token": digest(r.seen)}, s.told(t, r.pod, 0))
}

// heardAgain has the driver ask for a pod's volume, and returns when the provider has answered.
func (s *story) heardAgain(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	began := time.Now()
	s.eventually(t, "the driver asks again", func(ctx context.Context) error {
		if err := s.Nudge(ctx, pod); err != nil {
			return err
		}
		return s.heardSince(ctx, pod, began)
	})
}

// heardSince says what is missing until the provider has heard of a pod since then.
func (s *story) heardSince(ctx context.Context, pod *corev1.Pod, then time.Time) error {
	providers, err := s.Providers(ctx)
	if err != nil {
		return err
	}
	for _, provider := range providers {
		text, err := s.Kube.CoreV1().Pods(provider.Namespace).ProxyGet("http", provider.Name, "8080", "/debug/sessions", nil).DoRaw(ctx)
		if err != nil {
			return err
		}
		var sessions []struct {
			UID   string `json:"uid"`
			Heard int    `json:"heard_ago"` // in seconds
		}
		if err := json.Unmarshal(text, &sessions); err != nil {
			return err
		}
		for _, session := range sessions {
			if session.UID == string(pod.UID) && time.Duration(session.Heard+1)*time.Second < time.Since(then) {
				return nil
			}
		}
	}
	return errors.New("no provider has heard of the pod again")
}

// watches rotates a worker's secret and waits until the worker tells by itself that it has it. Nobody nudges anybody, and nothing is restarted but
// what the mode says.
func (e *environment) watches(t *testing.T, w watcher) {
	s := e.story
	first := s.told(t, w.pod, 0)
	require.Len(t, first, 1)
	require.Contains(t, first, w.name)
	value := s.secret(t, "xoxb-")
	e.put(t, w.path, value)
	began := time.Now()
	s.eventually(t, "the worker's new value", func(ctx context.Context) error {
		text, err := s.answer(ctx, w.pod, 0)
		if err == nil && lines(text)[w.name] != digest(value) {
			err = fmt.Errorf("it tells %s", text)
		}
		return err
	})
	s.measure("--watch %s: the worker has a new value %.0f s after it is in Vault, by itself", w.mode, time.Since(began).Seconds())
	now, err := s.Kube.CoreV1().Pods(w.pod.Namespace).Get(t.Context(), w.pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Zero(t, now.Status.ContainerStatuses[0].RestartCount, "the container has been restarted")
	assert.Equal(t, w.pod.Status.ContainerStatuses[0].ContainerID, now.Status.ContainerStatuses[0].ContainerID)
}

// isNeverTorn has the pod read its two files again and again while they change: both are always of one version, which is the newest or the one before.
func (e *environment) isNeverTorn(t *testing.T, p pair) {
	s, reads, slowest := e.story, 0, time.Duration(0)
	for range rotations {
		require.NoError(t, s.Nudge(t.Context(), p.pod))
		began := time.Now()
		for last := digest(p.seen); last != digest(p.stored); reads++ {
			require.Less(t, time.Since(began), patience, "the new value does not come")
			told := s.told(t, p.pod, 0)
			require.Equal(t, told["a"], told["b"], "a torn read")
			require.Contains(t, []string{digest(p.seen), digest(p.stored)}, told["a"], "neither the old value nor the new")
			last = told["a"]
		}
		slowest = max(slowest, time.Since(began))
		p.seen, p.stored = p.stored, s.secret(t, "")
		e.put(t, "files/pair/both", both(p.stored))
	}
	s.measure("%d rotations, %d reads, none torn; %.1f s at most from a kubelet's look at the pod to a worker that has read the new value",
		rotations, reads, slowest.Seconds())
}

func both(value string) string { return fmt.Sprintf(`{"a": %q, "b": %q}`, value, value) }
