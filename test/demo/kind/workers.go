package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// port is where a worker listens.
const port = "8080"

// worker is a rendered Deployment and its pod.
type worker struct {
	deployment *appsv1.Deployment
	pod        *corev1.Pod
}

// team is the worker's.
func (w worker) team() string {
	return strings.Split(w.deployment.Annotations["greentic.ai/scope"], "/")[2]
}

// workersAnswer waits until the workers run and holds what they tell over HTTP against the laptop's file.
func (d *demo) workersAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.Say("a stand-in for the worker opens, locks and decrypts its dev-store file as Greentic's own reader does, and answers with digests")
	for i := range d.workers {
		w := &d.workers[i]
		if _, err := stage.Await(ctx, d.stage.Deployments(), w.deployment.Namespace, w.deployment.Name, stage.Available); err != nil {
			return err
		}
		var err error
		w.pod, err = stage.Await(ctx, d.stage.Pods(), w.deployment.Namespace, "", func(pod *corev1.Pod) error {
			if !strings.HasPrefix(pod.Name, w.deployment.Name+"-") {
				return fmt.Errorf("pod %s is another's", pod.Name)
			}
			return stage.Ready(pod)
		})
		if err != nil {
			return err
		}
		scheduled, ready := transition(w.pod, corev1.PodScheduled), transition(w.pod, corev1.PodReady)
		d.Measure("%s, from scheduled to ready: %s (mount, two init containers, gtc-exec, its probe)", w.pod.Name, ready.Sub(scheduled))
		answer, err := d.answer(ctx, w)
		if err != nil {
			return err
		}
		d.Say("GET http://%s:%s/ (namespace %s)\n%s", w.pod.Status.PodIP, port, w.pod.Namespace, answer)
		if err := d.holds(w, answer); err != nil {
			return err
		}
	}
	d.Say("each tells what its team and its tenant have, and nothing else")
	return nil
}

func transition(pod *corev1.Pod, kind corev1.PodConditionType) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// answer is what a worker answers, by the API server's proxy.
func (d *demo) answer(ctx context.Context, w *worker) (string, error) {
	text, err := d.stage.Kube.CoreV1().Pods(w.pod.Namespace).ProxyGet("http", w.pod.Name, port, "/", nil).DoRaw(ctx)
	return string(text), err
}

// holds checks what a worker told: all that its team and its tenant have, with the laptop's digests, and nothing else.
func (d *demo) holds(w *worker, lines string) error {
	for _, s := range d.secrets {
		if err := s.ToldBy(w.team(), lines); err != nil {
			return err
		}
	}
	return nil
}

// rotate writes a new value into Vault and waits until the worker tells of it, with nobody's help.
func (d *demo) rotate(ctx context.Context) error {
	w, err := d.workerOf("sales")
	if err != nil {
		return err
	}
	d.Say("the provider asks Vault at every call of the driver from now on (refresh: {interval: always}), and not after 5 minutes only")
	if err := d.stage.Reconfigure(ctx, map[string]any{"refresh": map[string]any{"interval": "always"}}); err != nil {
		return err
	}
	d.past = append(d.past, d.secrets[0]) // it must not be found anywhere either
	d.secrets[0].Value = laptop.Random("xoxb-")
	if _, err := d.deployer(ctx, d.secrets[0].Value.Reveal(), "secrets", "put", laptop.Rotated.String(), "--stdin"); err != nil {
		return err
	}
	began := time.Now()
	d.Say("the kubelet publishes a volume again after 60 to 90 s")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var told error
	if err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		answer, err := d.answer(ctx, w)
		told = errors.Join(err, d.holds(w, answer))
		return told == nil, nil
	}); err != nil {
		return errors.Join(err, told)
	}
	took := narrator.Rounded(time.Since(began))
	d.Say("%s later the worker answers with the new value, without a restart", took)
	d.Measure("from a new value in Vault to a worker that answers with it, by itself: %s", took)
	now, err := d.stage.Kube.CoreV1().Pods(w.pod.Namespace).Get(ctx, w.pod.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, status := range now.Status.ContainerStatuses {
		if status.RestartCount != 0 {
			return errors.New("the worker was restarted")
		}
	}
	return nil
}

func (d *demo) workerOf(team string) (*worker, error) {
	for i := range d.workers {
		if d.workers[i].team() == team {
			return &d.workers[i], nil
		}
	}
	return nil, fmt.Errorf("no worker of %s", team)
}
