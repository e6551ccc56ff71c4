//go:build e2e

package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// driverObject is the name of the driver's CSIDriver object.
const driverObject = "secrets-store.csi.k8s.io"

// playInstall is what an operator sees after the installation, and what tells an operator whose driver is not set up for it.
func playInstall(t *testing.T) {
	s := begin(t, 1, "install; notes and helm test say what is missing in the driver, and the values to set")
	t.Run("the node", s.isInstalled)
	t.Run("nothing is missing", func(t *testing.T) {
		notes, err := s.Notes(soon(t))
		require.NoError(t, err)
		assert.Contains(t, notes, "ok    it is 1.6 or later, tells of pods and their tokens (vault), and republishes at 0s.")
		assert.NotContains(t, notes, "FAIL")
		said, err := s.HelmTest(soon(t))
		require.NoError(t, err, said)
	})
	broken := false // the driver's installation, which an upgrade mends
	t.Cleanup(func() {
		if broken {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			assert.NoError(t, s.InstallDriver(ctx, nil))
		}
	})
	for _, row := range []struct {
		name   string
		broken func(t *testing.T)
		notes  []string // what the notes say
		doctor []string // what helm test says
		event  string   // what a pod's owner reads meanwhile; "" where pods still start
	}{
		{
			name:   "with podInfoOnMount: false",
			broken: func(t *testing.T) { s.breakObject(t, func(d *storagev1.CSIDriver) { *d.Spec.PodInfoOnMount = false }) },
			notes:  []string{"FAIL  its CSIDriver object has podInfoOnMount: false", "no mount succeeds"},
			doctor: []string{"FAIL  CSIDriver secrets-store.csi.k8s.io: podInfoOnMount is not true", "kubectl patch csidriver secrets-store.csi.k8s.io"},
		},
		{
			name:   "without tokenRequests",
			broken: func(t *testing.T) { s.breakDriver(t, &broken, map[string]any{"tokenRequests": []any{}}) },
			notes:  []string{`FAIL  its CSIDriver object's tokenRequests lack the audience "vault"`, "tokenRequests:\n  - audience: \"vault\"\n"},
			doctor: []string{
				`FAIL  CSIDriver secrets-store.csi.k8s.io: tokenRequests has no audience "vault" (it has none)`,
				"Set in the values of the driver's chart", "tokenRequests: [{audience: vault}]\n",
			},
			event: "no token for the pod",
		},
		{
			name: "with rotation off",
			broken: func(t *testing.T) {
				s.breakDriver(t, &broken, map[string]any{"enableSecretRotation": false, "rotationPollInterval": "2m"})
			},
			notes: []string{
				"FAIL  its CSIDriver object has requiresRepublish: false", "runs without --enable-secret-rotation=true",
				"enableSecretRotation: true\n  rotationPollInterval: 0s\n",
			},
			doctor: []string{
				"FAIL  CSIDriver secrets-store.csi.k8s.io: requiresRepublish is not true", "enableSecretRotation: true\n", "rotationPollInterval: 0s\n",
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.broken(t)
			notes, err := s.Notes(soon(t))
			require.NoError(t, err, "an installation is told, and not refused")
			for _, text := range row.notes {
				assert.Contains(t, notes, text)
			}
			said, err := s.HelmTest(soon(t))
			require.Error(t, err, said)
			for _, text := range row.doctor {
				assert.Contains(t, said+err.Error(), text)
			}
			if row.event != "" {
				s.refused(t, s.unwired(t), row.event, "FailedPrecondition")
			}
		})
	}
	t.Run("nothing is missing again", func(t *testing.T) {
		require.NoError(t, s.InstallDriver(soon(t), nil))
		broken = false
		said, err := s.HelmTest(soon(t))
		require.NoError(t, err, said)
	})
}

// isInstalled asserts what the node has of the provider: a process that is not root's, a socket that only it and root can open, a link to it.
func (s *story) isInstalled(t *testing.T) {
	const providers = "/var/run/secrets-store-csi-providers"
	link, err := s.Cluster.Node().Exec(t.Context(), "readlink", providers+"/greentic.sock")
	require.NoError(t, err)
	assert.Equal(t, "greentic.d/greentic.sock", strings.TrimSpace(string(link)), "relative, so that it holds in the driver's container too")
	socket, err := s.Cluster.Node().Exec(t.Context(), "stat", "--format=%F %a %u:%g", providers+"/greentic.d/greentic.sock")
	require.NoError(t, err)
	assert.Equal(t, "socket 600 65532:65532", strings.TrimSpace(string(socket)))
	processes, err := s.Cluster.Node().Exec(t.Context(), "ps", "-C", "gtc-csi-provider", "-o", "uid=,args=")
	require.NoError(t, err)
	serving := 0
	for line := range strings.Lines(string(processes)) {
		uid, arguments, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(arguments, "--endpoint") {
			serving++
			assert.Equal(t, "65532", uid, arguments)
		}
	}
	assert.Equal(t, 1, serving, "providers on the node")
}

// breakDriver upgrades the driver with changed values. The next upgrade replaces them.
func (s *story) breakDriver(t *testing.T, broken *bool, change map[string]any) {
	t.Helper()
	*broken = true
	require.NoError(t, s.InstallDriver(soon(t), change))
}

// breakObject changes the CSIDriver object until the test's end.
func (s *story) breakObject(t *testing.T, change func(*storagev1.CSIDriver)) {
	t.Helper()
	drivers := s.Kube.StorageV1().CSIDrivers()
	was, err := drivers.Get(t.Context(), driverObject, metav1.GetOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		now, err := drivers.Get(ctx, driverObject, metav1.GetOptions{})
		require.NoError(t, err)
		now.Spec = was.Spec
		_, err = drivers.Update(ctx, now, metav1.UpdateOptions{})
		assert.NoError(t, err)
	})
	changed := was.DeepCopy()
	change(changed)
	_, err = drivers.Update(t.Context(), changed, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// unwired is a pod of an environment that Vault has never heard of: all that can be said of it is said before Vault is asked.
func (s *story) unwired(t *testing.T) *corev1.Pod {
	t.Helper()
	e := s.environment(t, s.id(""), nil, "sales/slack/bot_token")
	b := badge.For(badge.LayoutScope, e.scope(t, "sales"))
	s.wear(t, b)
	s.applyTyped(t, class(b.Namespace, "own", map[string]string{
		"scope": e.scope(t, "sales").String(), "objects": objects("ref: " + e.ref(t, "sales/slack/bot_token").String()),
	}))
	return s.reader(b, "unwired", volume{class: "own", files: []string{"none"}})
}
