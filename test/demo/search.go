package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

const decoy = "planted decoy"

// searchCluster looks for every value in every object, in etcd's files and in the servers' logs. First a decoy is planted, and found: a
// search that finds nothing has to show that it can find.
func (d *demo) searchCluster(ctx context.Context) error {
	set, err := d.canaries()
	if err != nil {
		return err
	}
	planted := laptop.Random("decoy-").RevealString()
	if err := set.Add(decoy, planted); err != nil {
		return err
	}
	if _, err := d.lab.Clientset().CoreV1().Secrets("default").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "decoy"}, StringData: map[string]string{"value": planted},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := d.searchObjects(ctx, set); err != nil {
		return err
	}
	if err := d.searchFiles(set, "etcd's data folder", d.lab.EtcdDir(), true); err != nil {
		return err
	}
	return d.searchFiles(set, "the logs of etcd, API server, Vault, driver and provider", filepath.Join(d.lab.Dir(), "logs"), false)
}

func (d *demo) searchObjects(ctx context.Context, set canary.Set) error {
	lists, err := d.lab.Clientset().Discovery().ServerPreferredResources()
	if err != nil {
		return err
	}
	var found []string
	objects, kinds := 0, 0
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			all, err := d.lab.Dynamic().Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return fmt.Errorf("listing %s: %w", resource.Name, err)
			}
			kinds++
			for _, object := range all.Items {
				objects++
				text, err := json.Marshal(object.Object)
				if err != nil {
					return err
				}
				for _, needle := range set.Find(text) {
					found = append(found, fmt.Sprintf("%s in %s %s/%s (%s)", needle.Name, object.GetKind(), object.GetNamespace(), object.GetName(), needle.Form))
				}
			}
		}
	}
	return d.verdict(found, true, "%d objects of %d kinds in the API server", objects, kinds)
}

func (d *demo) searchFiles(set canary.Set, what, folder string, planted bool) error {
	places, files, err := set.FindUnder(folder)
	if err != nil {
		return err
	}
	found := make([]string, len(places))
	for i, place := range places {
		found[i] = place.String()
	}
	return d.verdict(found, planted, "%s, %d files", what, files)
}

// verdict holds if only the decoy was found, and was found where it was planted.
func (d *demo) verdict(found []string, planted bool, format string, args ...any) error {
	var leaks []string
	decoys := 0
	for _, place := range found {
		if strings.HasPrefix(place, decoy) {
			decoys++
			continue
		}
		leaks = append(leaks, place)
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case len(leaks) > 0:
		return fmt.Errorf("%s: found %s", what, strings.Join(leaks, ", "))
	case planted && decoys == 0:
		return fmt.Errorf("%s: the planted decoy was not found, so the search proves nothing", what)
	case planted:
		d.Say("%s: the planted decoy is found, none of the %d values is", what, len(d.secrets)+len(d.past))
	default:
		d.Say("%s: none of the %d values is found", what, len(d.secrets)+len(d.past))
	}
	return nil
}

// report prints what was measured, and asks the API server's audit log whether the provider was ever there.
func (d *demo) report(context.Context) error {
	entries, err := d.lab.APIAuditSince(lab.Mark{})
	if err != nil {
		return err
	}
	// Whoever asks the API server is known by name, but for the provider: it has no credential but the pods' tokens.
	for _, entry := range entries {
		stranger := entry.User == "system:anonymous" && entry.URI != "/readyz" // the lab waits for that
		if stranger || strings.HasPrefix(entry.User, "system:serviceaccount:gtc-") {
			return fmt.Errorf("%s asked the API server: %s %s", entry.User, entry.Verb, entry.URI)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.provider.Pid()))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if resident, found := strings.CutPrefix(line, "VmRSS:"); found {
			d.Measure("the provider's resident memory: %s", strings.TrimSpace(resident))
		}
	}
	program, err := os.Stat(d.program("gtc-csi-provider"))
	if err != nil {
		return err
	}
	d.Measure("the provider's program: %.1f MB", float64(program.Size())/1e6)
	d.Measure("requests at the API server in somebody's own name: %d; with a pod's token or with none: 0", len(entries))
	d.Measured()
	return nil
}

// lookAround says what a person can do while everything is up.
func (d *demo) lookAround() {
	fmt.Fprintf(d.Out, "\nEverything is still up, until Ctrl-C. To look around:\n")
	d.Say("the API server    %s  (kubectl --kubeconfig %s get pods,secretproviderclasses -A)", d.lab.KubernetesHost(), d.lab.Kubeconfig())
	d.Say("Vault             %s  (its root token is in %s)", d.lab.VaultAddr(), filepath.Join(d.lab.Dir(), "vault", "init.token"))
	for _, w := range d.workers {
		d.Say("a volume          %s", w.volume.Path())
	}
	d.Say("logs              %s", filepath.Join(d.lab.Dir(), "logs"))
}
