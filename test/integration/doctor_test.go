package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
)

// healthy is what doctor says of a cluster in which nothing is missing.
const healthy = `ok    CSIDriver secrets-store.csi.k8s.io: podInfoOnMount is true
ok    CSIDriver secrets-store.csi.k8s.io: tokenRequests has the audience "vault"
ok    CSIDriver secrets-store.csi.k8s.io: requiresRepublish is true
ok    DaemonSet doctor/driver: the driver is 1.6.0
ok    DaemonSet doctor/driver: --enable-secret-rotation=true
ok    DaemonSet doctor/driver: --rotation-poll-interval=0s
ok    DaemonSet doctor/driver: the driver is ready on all of 2 nodes
ok    DaemonSet doctor/provider: the provider is ready on all of 2 nodes
ok    ValidatingAdmissionPolicy doctor.greentic.ai: it is there
`

// mend is what doctor prints before the values.
const mend = "\nSet in the values of the driver's chart, secrets-store-csi-driver:\n\n"

// TestDoctor changes one thing at a time in a cluster that lacks nothing. It is not parallel: the CSIDriver object is everybody's.
func TestDoctor(t *testing.T) {
	c := newClinic(t)
	for name, row := range map[string]struct {
		change    func(*installation)
		args      []string
		forbidden string // a resource that the user may not read
		failed    string // "2 of 9"; empty where nothing fails
		says      []string
		values    string
	}{
		"healthy": {},
		"two audiences": {
			change: func(i *installation) { i.requests("vault", "https://vault.example:8200") },
			args:   []string{"--audience", "vault", "--audience", "https://vault.example:8200", "--audience", "vault"},
			says: []string{
				`ok    CSIDriver secrets-store.csi.k8s.io: tokenRequests has the audience "https://vault.example:8200"`,
				`ok    CSIDriver secrets-store.csi.k8s.io: tokenRequests has the audience "vault"`,
			},
		},
		"no token requests": {
			change: func(i *installation) { i.requests() }, failed: "1 of 9",
			says:   []string{`FAIL  CSIDriver secrets-store.csi.k8s.io: tokenRequests has no audience "vault" (it has none): pods bring no token that Vault takes`},
			values: "    tokenRequests: [{audience: vault}]\n",
		},
		"other audiences stay": {
			change: func(i *installation) { i.requests("sts.example.com", "vault") },
			args:   []string{"--audience", "second", "--audience", "third: one"}, failed: "2 of 10",
			says: []string{
				`FAIL  CSIDriver secrets-store.csi.k8s.io: tokenRequests has no audience "second" (it has sts.example.com, vault): pods bring`,
				`FAIL  CSIDriver secrets-store.csi.k8s.io: tokenRequests has no audience "third: one" (`,
			},
			values: "    tokenRequests: [{audience: sts.example.com, expirationSeconds: 3600}, {audience: vault, expirationSeconds: 3600}," +
				" {audience: second}, {audience: 'third: one'}]\n",
		},
		"no pod information": {
			change: func(i *installation) { *i.object.Spec.PodInfoOnMount = false }, failed: "1 of 9",
			says: []string{
				"FAIL  CSIDriver secrets-store.csi.k8s.io: podInfoOnMount is not true: the provider is not told who the pod is",
				`      kubectl patch csidriver secrets-store.csi.k8s.io --type merge --patch '{"spec":{"podInfoOnMount":true}}'`,
			},
		},
		"no republish": {
			change: func(i *installation) { i.object.Spec.RequiresRepublish = nil }, failed: "1 of 9",
			says:   []string{"FAIL  CSIDriver secrets-store.csi.k8s.io: requiresRepublish is not true: "},
			values: "    enableSecretRotation: true\n",
		},
		"no CSIDriver object": {
			change: func(i *installation) { i.object = nil }, failed: "1 of 7",
			says:   []string{"FAIL  CSIDriver secrets-store.csi.k8s.io: it does not exist: ", "      install the chart secrets-store-csi-driver, 1.6 or later, with the values below"},
			values: "    tokenRequests: [{audience: vault}]\n    enableSecretRotation: true\n    rotationPollInterval: 0s\n",
		},
		"rotation off": {
			change: func(i *installation) { i.arguments("--provider-volume=/providers", "--rotation-poll-interval=0s") }, failed: "1 of 9",
			says:   []string{"FAIL  DaemonSet doctor/driver: --enable-secret-rotation is not given (it is false then): "},
			values: "    enableSecretRotation: true\n",
		},
		"a poll interval": {
			change: func(i *installation) { i.arguments("--enable-secret-rotation=true", "--rotation-poll-interval", "30s") }, failed: "1 of 9",
			says:   []string{`FAIL  DaemonSet doctor/driver: --rotation-poll-interval is "30s", which must be 0s: `},
			values: "    rotationPollInterval: 0s\n",
		},
		"the driver's defaults": {
			change: func(i *installation) { i.arguments() }, failed: "2 of 9",
			says:   []string{"--enable-secret-rotation is not given", "--rotation-poll-interval is not given (it is 2m then), which must be 0s"},
			values: "    enableSecretRotation: true\n    rotationPollInterval: 0s\n",
		},
		"an old driver": {
			change: func(i *installation) {
				i.container().Image = "registry.example:5000/driver:v1.5.6@sha256:" + strings.Repeat("0", 64)
			}, failed: "1 of 9",
			says: []string{"FAIL  DaemonSet doctor/driver: the driver is 1.5.6: before 1.6.0 ", "      upgrade the chart secrets-store-csi-driver to 1.6 or later"},
		},
		"a version in the label": {
			change: func(i *installation) {
				i.container().Image = "registry.example:5000/driver@sha256:" + strings.Repeat("0", 64)
				i.driver.Labels = map[string]string{"app.kubernetes.io/version": "1.7.1"}
			},
			says: []string{"ok    DaemonSet doctor/driver: the driver is 1.7.1\n"},
		},
		"a version that nobody tells": {
			change: func(i *installation) { i.container().Image = "registry.example:5000/driver" },
			says:   []string{`warn  DaemonSet doctor/driver: neither its image "registry.example:5000/driver" nor the label app.kubernetes.io/version tells `},
		},
		"a driver by its argument": {
			change: func(i *installation) { i.container().Name = "driver" },
			says:   []string{"ok    DaemonSet doctor/driver: the driver is ready on all of 2 nodes"},
		},
		"no driver": {
			change: func(i *installation) { i.driver = nil }, failed: "1 of 6",
			says: []string{`FAIL  DaemonSet of the driver: none has a container "secrets-store" or the argument --provider-volume: `},
		},
		"a driver of Windows nodes": {
			change: func(i *installation) {
				i.driver.Spec.Template.Spec.NodeSelector = map[string]string{"kubernetes.io/os": "windows"}
			}, failed: "1 of 6",
			says: []string{"FAIL  DaemonSet of the driver: none "},
		},
		"no provider": {
			change: func(i *installation) { i.provider = nil }, failed: "1 of 9",
			says: []string{"FAIL  DaemonSet of the provider: none has the label app.kubernetes.io/name=gtc-csi-provider: ", "      install the chart gtc-csi-provider\n"},
		},
		"a provider that is not ready everywhere": {
			change: func(i *installation) { i.provider.Status.NumberReady = 1 }, failed: "1 of 9",
			says: []string{"FAIL  DaemonSet doctor/provider: the provider is ready on 1 of 2 nodes: pods on the others wait", "      kubectl --namespace doctor describe daemonset provider\n"},
		},
		"a provider for no node": {
			change: func(i *installation) { i.provider.Status = appsv1.DaemonSetStatus{} }, failed: "1 of 9",
			says: []string{"FAIL  DaemonSet doctor/provider: it is for no node: "},
		},
		"a provider that was just changed": {
			change: func(i *installation) { i.stale = true }, failed: "1 of 9",
			says: []string{"FAIL  DaemonSet doctor/provider: the cluster has not acted upon its newest state yet\n      wait a moment"},
		},
		"no policy": {
			change: func(i *installation) { i.policy = nil },
			says:   []string{"warn  ValidatingAdmissionPolicy: none has the label app.kubernetes.io/name=gtc-csi-provider: ", "admission.enabled: true"},
		},
		"the object may not be read": {
			forbidden: "csidrivers", failed: "1 of 7",
			says: []string{"FAIL  CSIDriver secrets-store.csi.k8s.io: it may not be looked at: grant this user get on csidrivers.storage.k8s.io\n"},
		},
		"DaemonSets may not be read": {
			forbidden: "daemonsets", failed: "1 of 5",
			says: []string{"FAIL  DaemonSets of the driver and the provider: it may not be looked at: grant this user list on daemonsets.apps\n"},
		},
		"policies may not be read": {
			forbidden: "validatingadmissionpolicies",
			says:      []string{"warn  ValidatingAdmissionPolicy: it may not be looked at: grant this user list on validatingadmissionpolicies.admissionregistration.k8s.io\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := healthyInstallation()
			if row.change != nil {
				row.change(all)
			}
			c.install(t, all)
			cmd := exec.CommandContext(t.Context(), c.program("gtc-deployer"), append([]string{"doctor"}, row.args...)...)
			r := run(t, cmd, "KUBECONFIG="+c.userWithout(row.forbidden))
			if name == "healthy" {
				assert.Equal(t, healthy, r.stdout)
			}
			for _, text := range row.says {
				assert.Contains(t, r.stdout, text)
			}
			_, values, _ := strings.Cut(r.stdout, mend)
			assert.Equal(t, row.values, values)
			failures := regexp.MustCompile(`(?m)^FAIL `).FindAllString(r.stdout, -1)
			if row.failed == "" {
				assert.Zero(t, r.code, r.stdout)
				assert.Empty(t, r.stderr)
				assert.Empty(t, failures)
				return
			}
			assert.Equal(t, 1, r.code)
			assert.Equal(t, "gtc-deployer: "+row.failed+" checks failed\n", r.stderr)
			assert.Len(t, failures, int(row.failed[0]-'0'))
		})
	}
}

func TestDoctorNeedsACluster(t *testing.T) {
	w := shared(t)
	doctor := func(t *testing.T, change func(config string) string) result {
		t.Helper()
		text, err := os.ReadFile(w.Kubeconfig())
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "kubeconfig")
		require.NoError(t, os.WriteFile(file, []byte(change(string(text))), 0o600))
		return run(t, exec.CommandContext(t.Context(), w.program("gtc-deployer"), "doctor", "--kubeconfig", file))
	}
	t.Run("that answers", func(t *testing.T) {
		r := doctor(t, func(config string) string {
			return strings.ReplaceAll(config, w.KubernetesHost(), "https://127.0.0.1:1")
		})
		assert.Equal(t, 1, r.code)
		assert.Empty(t, r.stdout)
		assert.Contains(t, r.stderr, "gtc-deployer: asking the cluster to get csidrivers.storage.k8s.io: ")
		assert.Contains(t, r.stderr, "connection refused")
	})
	t.Run("that knows the user", func(t *testing.T) {
		r := doctor(t, func(config string) string {
			return regexp.MustCompile(`token: .*`).ReplaceAllString(config, "token: canary")
		})
		assert.Equal(t, 1, r.code)
		assert.Equal(t, "gtc-deployer: asking the cluster: it does not accept the credentials: renew those of the kubeconfig's user\n", r.stderr)
	})
}
