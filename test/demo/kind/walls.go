package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/e2e/search"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// claimForeignScope starts support's worker once more, with a volume that claims sales' scope.
func (d *demo) claimForeignScope(ctx context.Context) error {
	w, err := d.workerOf("support")
	if err != nil {
		return err
	}
	template := w.deployment.Spec.Template
	curious := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.deployment.Namespace, Name: "curious", Annotations: template.Annotations},
		Spec:       *template.Spec.DeepCopy(),
	}
	curious.Spec.Containers[0].Resources = corev1.ResourceRequirements{} // the node is small
	for _, v := range curious.Spec.Volumes {
		if v.CSI != nil {
			v.CSI.VolumeAttributes["scope"] = "prod/acme/sales"
			v.CSI.VolumeAttributes["objects"] = "- ref: " + laptop.Rotated.String()
		}
	}
	began := time.Now()
	if _, err := d.stage.Kube.CoreV1().Pods(curious.Namespace).Create(ctx, curious, metav1.CreateOptions{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	refusal, err := stage.Await(ctx, d.stage.Events(), curious.Namespace, "", func(e *corev1.Event) error {
		if e.InvolvedObject.Name != curious.Name || !strings.Contains(e.Message, "PermissionDenied") {
			return fmt.Errorf("the last event is %s of %s: %s", e.Reason, e.InvolvedObject.Name, e.Message)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.Say("refused after %s. Its owner reads in the pod's events:", narrator.Rounded(time.Since(began)))
	d.Say("%s", narrator.Wrapped(refusal.Message, 132))
	if err := d.notHeardBy(ctx, curious); err != nil {
		return err
	}
	return d.stage.Kube.CoreV1().Pods(curious.Namespace).Delete(ctx, curious.Name, metav1.DeleteOptions{})
}

// notHeardBy asks Vault's audit log, in which each request names its pod.
func (d *demo) notHeardBy(ctx context.Context, curious *corev1.Pod) error {
	heard, err := d.stage.Vault.Audit(ctx)
	if err != nil {
		return err
	}
	for _, w := range d.workers {
		if !strings.Contains(heard, w.pod.Namespace+"/"+w.pod.Name+"/") {
			return errors.New("vault's audit log does not name the workers' pods, so it proves nothing")
		}
	}
	if strings.Contains(heard, curious.Namespace+"/"+curious.Name+"/") {
		return errors.New("vault was asked for a pod that is not admitted")
	}
	d.Say("Vault's audit log names the workers' pods, and not this one: nothing was asked for it")
	return nil
}

const decoy = "planted decoy"

// search looks for every value, old and new, in every object and on the node's disk. First a decoy is planted, and found: a search that finds nothing
// has to show that it can find.
func (d *demo) search(ctx context.Context) error {
	set, err := laptop.Canaries(append(d.past, d.secrets...)...)
	if err != nil {
		return err
	}
	planted := laptop.Random("decoy-").RevealString()
	if err := set.Add(decoy, planted); err != nil {
		return err
	}
	if err := d.plant(ctx, planted); err != nil {
		return err
	}
	objects, err := search.Objects(ctx, d.stage.Cluster.RestConfig(), set)
	if err != nil {
		return err
	}
	if err := d.verdict(objects, "Secret default/decoy", "%d objects of %d kinds in the API server", objects.Looked, objects.Kinds); err != nil {
		return err
	}
	disk, err := search.Disk(ctx, d.stage.Cluster.Node(), set)
	if err != nil {
		return err
	}
	return d.verdict(disk, "/var/lib/etcd/", "%d files on the node's disk: etcd's, logs, containers, all else", disk.Looked)
}

func (d *demo) plant(ctx context.Context, value string) error {
	objects, err := stage.Objects(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "decoy"}, StringData: map[string]string{"value": value},
	})
	if err != nil {
		return err
	}
	return d.stage.Apply(ctx, objects...)
}

// verdict holds if only the decoy was found, and was found where it was planted.
func (d *demo) verdict(r search.Result, planted, format string, args ...any) error {
	var leaks []canary.Place
	decoys := 0
	for _, place := range r.Places {
		switch {
		case place.Name != decoy:
			leaks = append(leaks, place)
		case strings.HasPrefix(place.Path, planted):
			decoys++
		}
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case len(leaks) > 0:
		return fmt.Errorf("%s: found %v", what, leaks)
	case decoys == 0:
		return fmt.Errorf("%s: the planted decoy was not found, so the search proves nothing", what)
	}
	d.Say("%s: the planted decoy is found, none of the %d values is", what, len(d.secrets)+len(d.past))
	return nil
}
