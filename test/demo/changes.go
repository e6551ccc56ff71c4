package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// rotate writes a new value while a program in the worker's container reads the volume again and again.
func (d *demo) rotate(ctx context.Context) error {
	w, err := d.workerOf("prod/acme/sales")
	if err != nil {
		return err
	}
	seen, stop, err := d.watch(ctx, w)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := awaitDigest(ctx, seen, d.secrets[0].Value); err != nil {
		return err
	}
	old := d.secrets[0]
	d.secrets[0].Value = laptop.Random("xoxb-")
	d.past = append(d.past, old) // it must not be found anywhere either
	if err := d.deployer(ctx, d.secrets[0].Value.Reveal(), "secrets", "put", laptop.Rotated.String(), "--stdin", "--environment", d.environment()); err != nil {
		return err
	}
	began := time.Now()
	if err := w.volume.Publish(ctx); err != nil {
		return err
	}
	line, err := awaitDigest(ctx, seen, d.secrets[0].Value)
	if err != nil {
		return err
	}
	took := narrator.Rounded(time.Since(began))
	d.Say("the driver's next republish, and %s later the worker tells, without a restart:\n%s", took, line)
	d.Measure("from the republish to a worker that has read the new value: %s (it looks every 100 ms)", took)
	lines, err := w.run(ctx, filepath.Join(d.lab.Dir(), "worker"))
	if err != nil {
		return err
	}
	d.Say("and the worker behind gtc-exec, started again, has it in its dev-store file")
	return d.digestsHold(w, lines)
}

func (d *demo) workerOf(scope string) (*worker, error) {
	for _, w := range d.workers {
		if w.deployment.Annotations["greentic.ai/scope"] == scope {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no worker of %s", scope)
}

// watch starts a reader of the volume in the worker's container. What it tells comes line by line.
func (d *demo) watch(ctx context.Context, w *worker) (lines <-chan string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	c := w.container()
	command, err := w.sandbox.command(ctx, c, filepath.Join(d.lab.Dir(), "worker"), standInPath,
		standInPath, "-watch", "files", "/var/run/greentic/secrets", laptop.Rotated.Path())
	if err != nil {
		cancel()
		return nil, nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		cancel()
		return nil, nil, err
	}
	told := make(chan string, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(told)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			told <- scanner.Text()
		}
	}()
	return told, func() {
		cancel()
		<-done
		_ = command.Wait() // it was killed
	}, nil
}

// awaitDigest waits until a line tells of value.
func awaitDigest(ctx context.Context, lines <-chan string, value secret.Value) (string, error) {
	digest := fmt.Sprintf("%x", sha256.Sum256(value.Reveal()))
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		select {
		case line, open := <-lines:
			if !open {
				return "", errors.New("the reader ended")
			}
			if strings.Contains(line, digest) {
				return line, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("no reader told of the value: %w", ctx.Err())
		}
	}
}

// claimForeignScope starts a pod with support's badge and a class that claims sales.
func (d *demo) claimForeignScope(ctx context.Context) error {
	w, err := d.workerOf("prod/acme/support")
	if err != nil {
		return err
	}
	mark, err := d.lab.AuditMark()
	if err != nil {
		return err
	}
	deployment := w.deployment.DeepCopy()
	deployment.Name = "curious"
	for _, v := range deployment.Spec.Template.Spec.Volumes {
		if v.CSI != nil {
			v.CSI.VolumeAttributes["scope"] = "prod/acme/sales"
			v.CSI.VolumeAttributes["objects"] = "- ref: " + laptop.Rotated.String()
		}
	}
	curious, err := d.newWorker(ctx, *deployment)
	if err != nil {
		return err
	}
	pod := curious.pod
	if err := curious.volume.Publish(ctx); err == nil {
		return errors.New("the foreign scope was mounted")
	}
	events, err := d.lab.Clientset().CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + pod.Name})
	if err != nil {
		return err
	}
	if len(events.Items) != 1 || !strings.Contains(events.Items[0].Message, "PermissionDenied") {
		return fmt.Errorf("%d events, and not the refusal", len(events.Items))
	}
	entries, err := d.lab.AuditSince(mark)
	if err != nil {
		return err
	}
	if asked := lab.CountAudit(entries); asked.Total() != 0 {
		return fmt.Errorf("vault was asked %d times for a pod that is not admitted", asked.Total())
	}
	d.Say("refused, and Vault has heard nothing. Its owner reads in the pod's events:")
	d.Say("%s", narrator.Wrapped(events.Items[0].Message, 132))
	return nil
}
