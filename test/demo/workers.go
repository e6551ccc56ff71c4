package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// worker is a pod of a rendered Deployment.
type worker struct {
	deployment appsv1.Deployment
	pod        *corev1.Pod
	volume     *lab.Volume
	sandbox    *sandbox
}

func (d *demo) mountVolumes(ctx context.Context) error {
	deployments, err := d.lab.Clientset().AppsV1().Deployments("").List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=worker"})
	if err != nil {
		return err
	}
	for _, deployment := range deployments.Items {
		w, err := d.newWorker(ctx, deployment)
		if err != nil {
			return err
		}
		mark, err := d.lab.AuditMark()
		if err != nil {
			return err
		}
		began := time.Now()
		if err := w.volume.Publish(ctx); err != nil {
			return err
		}
		took := narrator.Rounded(time.Since(began))
		entries, err := d.lab.AuditSince(mark)
		if err != nil {
			return err
		}
		asked := lab.CountAudit(entries)
		share, err := d.providersShare(w.pod)
		if err != nil {
			return err
		}
		d.Say("%s/%s: %s, %d login + %d reads + %d transit call at Vault", w.pod.Namespace, w.pod.Name, took, asked.Logins, asked.Reads, asked.Decrypts)
		d.Measure("mounting %s: %s, of it the provider %s (the driver's first mount starts its caches)", w.pod.Name, took, share)
		if err := d.show(w); err != nil {
			return err
		}
		d.workers = append(d.workers, w)
	}
	if len(d.workers) != 2 {
		return fmt.Errorf("%d workers where the example has two", len(d.workers))
	}
	return nil
}

// providersShare is how long the provider took for a pod's mount, by its own log.
func (d *demo) providersShare(pod *corev1.Pod) (time.Duration, error) {
	text, err := os.ReadFile(d.provider.Log())
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		var mounted struct {
			Message  string        `json:"msg"`
			Pod      string        `json:"pod"`
			Duration time.Duration `json:"duration"`
		}
		if json.Unmarshal(line, &mounted) == nil && mounted.Message == "mounted" && mounted.Pod == pod.Namespace+"/"+pod.Name {
			return narrator.Rounded(mounted.Duration), nil
		}
	}
	return 0, fmt.Errorf("the provider's log has no mount of %s", pod.Name)
}

// newWorker makes the pod that the Deployment's controller would.
func (d *demo) newWorker(ctx context.Context, deployment appsv1.Deployment) (*worker, error) {
	template := deployment.Spec.Template
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: deployment.Namespace, Name: deployment.Name + "-0", Labels: template.Labels, Annotations: template.Annotations},
		Spec:       template.Spec,
	}
	pod.Spec.NodeName = "n1"
	pod, err := d.lab.Clientset().CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	volumes := d.lab.Kubelet().VolumesOf(pod)
	if len(volumes) != 1 {
		return nil, fmt.Errorf("pod %s has %d CSI volumes where one is rendered", pod.Name, len(volumes))
	}
	return &worker{deployment: deployment, pod: pod, volume: volumes[0], sandbox: newSandbox(d.lab, pod, volumes[0])}, nil
}

// show lists a volume's files, and holds each against the laptop's value.
func (d *demo) show(w *worker) error {
	files, err := w.volume.Files()
	if err != nil {
		return err
	}
	for _, file := range files {
		contents, err := w.volume.Read(file.Path)
		if err != nil {
			return err
		}
		var known *laptop.Secret
		for i, s := range d.secrets {
			if s.Ref.Path() == file.Path && string(s.Value.Reveal()) == string(contents) {
				known = &d.secrets[i]
			}
		}
		if known == nil {
			return fmt.Errorf("%s is not what the laptop's file has", file.Path)
		}
		d.Say("  %v %-52s %s", file.Mode, file.Path, d.shown(known.Value))
	}
	if len(files) != 4 {
		return fmt.Errorf("%d files where the worker needs four", len(files))
	}
	return nil
}

func (d *demo) runWorkers(ctx context.Context) error {
	standIn := filepath.Join(d.lab.Dir(), "worker")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", standIn, "github.com/greenticai/gtc-csi-provider/test/worker")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the stand-in for the worker: %w: %s", err, output)
	}
	d.Say("a stand-in for the worker opens, locks and decrypts its dev-store file as Greentic's own reader does, and tells digests")
	for _, w := range d.workers {
		if err := w.installExec(ctx, d.program("gtc-exec")); err != nil {
			return err
		}
		lines, err := w.run(ctx, standIn)
		if err != nil {
			return err
		}
		d.Say("%s, %s %s … -- %s:", w.pod.Name, w.container().Command[0], w.container().Command[1], standInPath)
		d.Say("%s", lines)
		if err := d.digestsHold(w, lines); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) container() corev1.Container { return w.pod.Spec.Containers[0] }

// installExec runs the pod's init container that brings gtc-exec.
func (w *worker) installExec(ctx context.Context, program string) error {
	for _, c := range w.pod.Spec.InitContainers {
		if c.Name != "install-gtc-exec" {
			continue // stages files from a ConfigMap that is not there, with a shell of an image that is not there
		}
		command, err := w.sandbox.command(ctx, c, program, c.Command[0], c.Command...)
		if err != nil {
			return err
		}
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("init container %s: %w: %s", c.Name, err, output)
		}
		return nil
	}
	return errors.New("the pod has no init container install-gtc-exec")
}

// run runs the pod's container to its end: the rendered command, word for word.
func (w *worker) run(ctx context.Context, standIn string) (string, error) {
	c := w.container()
	command, err := w.sandbox.command(ctx, c, standIn, standInPath, append(c.Command, c.Args...)...)
	if err != nil {
		return "", err
	}
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("worker %s: %w: %s", w.pod.Name, err, complaints.String())
	}
	return output.String(), nil
}

// digestsHold checks what a worker told of its secrets: all that its scope has, and each with the laptop's digest.
func (d *demo) digestsHold(w *worker, lines string) error {
	team := strings.Split(w.deployment.Annotations["greentic.ai/scope"], "/")[2]
	for _, s := range d.secrets {
		if err := s.ToldBy(team, lines); err != nil {
			return err
		}
	}
	return nil
}
