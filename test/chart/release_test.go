package chart_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/greenticai/gtc-csi-provider/test/helm"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// driverSet is a DaemonSet as the driver's chart makes it, with this image and these arguments.
func driverSet(image string, args ...string) string {
	return `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: driver, namespace: kube-system, labels: {app: secrets-store-csi-driver}}
spec:
  selector: {matchLabels: {app: driver}}
  template:
    metadata: {labels: {app: driver}}
    spec:
      containers:
      - {name: node-driver-registrar, image: r:v2.0.0}
      - {name: secrets-store, image: "` + image + `", args: ["--provider-volume=/p"` + strings.Join(append([]string{""}, args...), ", ") + `]}
`
}

const (
	goodImage = "registry.k8s.io/csi-secrets-store/driver:v1.6.0"
	rotation  = "--enable-secret-rotation=true"
	always    = "--rotation-poll-interval=0s"
)

// TestTheNotesLookAtTheDriver: every fault by itself, with the values that mend it.
func TestTheNotesLookAtTheDriver(t *testing.T) {
	l := lab.Shared(t)
	home(t, l)
	sets, drivers := l.Clientset().AppsV1().DaemonSets("kube-system"), l.Clientset().StorageV1().CSIDrivers()
	const name = "secrets-store.csi.k8s.io"
	original, err := drivers.Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		assert.NoError(t, sets.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
		replace(t, l, original)
	})
	no := false
	good := driverSet(goodImage, rotation, always)
	for what, row := range map[string]struct {
		set    string
		driver func(*storagev1.CSIDriver) *storagev1.CSIDriver
		values string
		says   []string
	}{
		"all is well": {set: good, says: []string{"  ok    it is 1.6 or later, tells of pods and their tokens (vault), and republishes at 0s."}},
		"an image by digest": {
			set:  driverSet("r/driver@sha256:"+digest, rotation, always),
			says: []string{"FAIL  kube-system/driver is of a version that its image r/driver@sha256:" + digest + " does not tell; it has to be 1.6 or later"},
		},
		"another one for Windows": {
			set: good + "\n---\n" + strings.NewReplacer("name: driver,", "name: windows,", "      containers:", "      nodeSelector: {kubernetes.io/os: windows}\n      containers:",
				"v1.6.0", "v1.0.0").Replace(good), says: []string{"  ok    it is 1.6 or later"},
		},
		"an old driver":   {set: driverSet("r:5000/driver:v1.5.6", rotation, always), says: []string{"FAIL  kube-system/driver is version v1.5.6; it has to be 1.6 or later"}},
		"no rotation":     {set: driverSet(goodImage, always), says: []string{"FAIL  kube-system/driver runs without --enable-secret-rotation=true"}},
		"a poll interval": {set: driverSet(goodImage, rotation, "--rotation-poll-interval=2m"), says: []string{"FAIL  kube-system/driver has the rotation poll interval 2m instead of 0s"}},
		"the default's":   {set: driverSet(goodImage, rotation), says: []string{"FAIL  kube-system/driver has the rotation poll interval 2m (its default) instead of 0s"}},
		"no DaemonSet":    {says: []string{"FAIL  no DaemonSet of it was found"}},
		"no CSIDriver":    {set: good, driver: func(*storagev1.CSIDriver) *storagev1.CSIDriver { return nil }, says: []string{"FAIL  there is no CSIDriver object " + name}},
		"another audience": {
			set: good, values: "vaults: [{name: a, addresses: ['https://a'], audience: a}, {name: b, addresses: ['https://b'], audience: vault}]",
			says: []string{`FAIL  its CSIDriver object's tokenRequests lack the audience "a"`, "tokenRequests:\n  - audience: \"vault\"\n  - audience: \"a\"\n  enableSecretRotation: true\n  rotationPollInterval: 0s\n"},
		},
		"no pod information": {
			set: good, driver: func(d *storagev1.CSIDriver) *storagev1.CSIDriver { d.Spec.PodInfoOnMount = &no; return d },
			says: []string{"FAIL  its CSIDriver object has podInfoOnMount: false"},
		},
		"several": {
			set: driverSet(goodImage), driver: func(d *storagev1.CSIDriver) *storagev1.CSIDriver {
				d.Spec.RequiresRepublish, d.Spec.TokenRequests, d.Spec.ServiceAccountTokenInSecrets = &no, nil, nil
				return d
			},
			says: []string{
				"FAIL  its CSIDriver object has requiresRepublish: false", `lack the audience "vault"`, "runs without --enable-secret-rotation=true",
				"interval 2m (its default)", "tokenRequests:\n  - audience: \"vault\"\n",
			},
		},
	} {
		t.Run(what, func(t *testing.T) {
			require.NoError(t, sets.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})) // of the row before
			if row.set != "" {
				require.NoError(t, l.ApplyYAML(t.Context(), []byte(row.set)))
			}
			object := original.DeepCopy()
			if row.driver != nil {
				object = row.driver(object)
			}
			replace(t, l, object)
			notes := notesOf(t, l, row.values)
			for _, text := range row.says {
				assert.Contains(t, notes, text)
			}
			well := strings.Contains(row.says[0], "  ok  ")
			assert.Equal(t, well, !strings.Contains(notes, "FAIL"), notes)
			assert.Equal(t, !well, strings.Contains(notes, "enableSecretRotation: true"), "the values to set")
			assert.Contains(t, notes, "helm test noted --namespace gtc-system || kubectl logs --namespace gtc-system noted-gtc-csi-provider-doctor")
		})
	}
}

// replace puts the CSIDriver object of the lab in place of what is there; nil is none.
func replace(t *testing.T, l *lab.Lab, object *storagev1.CSIDriver) {
	t.Helper()
	ctx, drivers := context.WithoutCancel(t.Context()), l.Clientset().StorageV1().CSIDrivers()
	_ = drivers.Delete(ctx, "secrets-store.csi.k8s.io", metav1.DeleteOptions{}) // it may be gone already
	if object == nil {
		return
	}
	fresh := object.DeepCopy()
	fresh.ResourceVersion, fresh.UID = "", ""
	_, err := drivers.Create(ctx, fresh, metav1.CreateOptions{})
	require.NoError(t, err)
}

func notesOf(t *testing.T, l *lab.Lab, values string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte(values), 0o600))
	out, err := helm.Run(t.Context(), "install", "noted", folder, "--namespace", namespace, "--values", file, "--kubeconfig", l.Kubeconfig(), "--dry-run=server")
	require.NoError(t, err)
	_, notes, found := strings.Cut(out, "\nNOTES:\n")
	require.True(t, found)
	return notes
}

func TestTheNotesWithoutACluster(t *testing.T) {
	out, err := helm.Run(t.Context(), "install", "noted", folder, "--dry-run=client", "--set", "admission.enabled=false", "--kubeconfig", lab.Shared(t).Kubeconfig())
	require.NoError(t, err)
	assert.Contains(t, out, "not looked at: this is a rendering without a cluster")
	assert.NotContains(t, out, "podWatch.enabled")
	assert.Contains(t, out, "admission.enabled is false: whoever may make pods in a badge's namespace gets that badge's secrets.")
}

// TestTheNotesWarnOfThePodWatch: it is a right over the whole cluster.
func TestTheNotesWarnOfThePodWatch(t *testing.T) {
	out, err := helm.Run(t.Context(), "install", "noted", folder, "--dry-run=client", "--set", "podWatch.enabled=true", "--kubeconfig", lab.Shared(t).Kubeconfig())
	require.NoError(t, err)
	assert.Contains(t, out, "podWatch.enabled is true: the provider's ServiceAccount may list and watch the pods of the whole cluster.")
}

// TestInstallUpgradeUninstall leaves nothing behind.
func TestInstallUpgradeUninstall(t *testing.T) {
	l := lab.Shared(t)
	home(t, l)
	defineMonitors(t, l)
	cluster := []string{"--namespace", namespace, "--kubeconfig", l.Kubeconfig()}
	run := func(args ...string) {
		t.Helper()
		out, err := helm.Run(t.Context(), append(args, cluster...)...)
		require.NoError(t, err, out)
	}
	run("install", "whole", folder, "--set", "podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true,networkPolicy.enabled=true")
	assert.ElementsMatch(t, []string{
		"configmaps/whole-gtc-csi-provider", "configmaps/whole-gtc-csi-provider-dashboard", "serviceaccounts/whole-gtc-csi-provider",
		"daemonsets/whole-gtc-csi-provider", "networkpolicies/whole-gtc-csi-provider",
		"clusterroles/gtc-system-whole-gtc-csi-provider-events", "clusterrolebindings/gtc-system-whole-gtc-csi-provider-events",
		"podmonitors/whole-gtc-csi-provider", "prometheusrules/whole-gtc-csi-provider",
		"validatingadmissionpolicies/gtc-system-whole-gtc-csi-provider-badges", "validatingadmissionpolicies/gtc-system-whole-gtc-csi-provider-sync",
		"validatingadmissionpolicybindings/gtc-system-whole-gtc-csi-provider-badges", "validatingadmissionpolicybindings/gtc-system-whole-gtc-csi-provider-sync",
	}, owned(t, l, "whole"))
	run("upgrade", "whole", folder, "--set", "podMonitor.enabled=false,admission.enabled=false,events.enabled=false,logLevel=debug")
	assert.ElementsMatch(t, []string{
		"configmaps/whole-gtc-csi-provider", "serviceaccounts/whole-gtc-csi-provider", "daemonsets/whole-gtc-csi-provider",
	}, owned(t, l, "whole"))
	run("uninstall", "whole")
	assert.Empty(t, owned(t, l, "whole"))
}

// owned are the objects of any kind that carry the release's label.
func owned(t *testing.T, l *lab.Lab, instance string) []string {
	t.Helper()
	kinds, err := l.Clientset().Discovery().ServerPreferredResources()
	require.NoError(t, err)
	var found []string
	for _, group := range kinds {
		for _, kind := range group.APIResources {
			if !strings.Contains(kind.Verbs.String(), "list") {
				continue
			}
			version, err := schema.ParseGroupVersion(group.GroupVersion)
			require.NoError(t, err)
			resource := l.Dynamic().Resource(version.WithResource(kind.Name))
			list, err := resource.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + instance})
			require.NoError(t, err, kind.Name)
			for _, object := range list.Items {
				found = append(found, kind.Name+"/"+object.GetName())
			}
		}
	}
	return found
}
