//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// The programs of the node's pods by their command lines, for pkill and pgrep.
const (
	providerProgram  = "^/usr/local/bin/gtc-csi-provider --endpoint"
	driverProgram    = "^/secrets-store-csi "
	vaultProgram     = "^/usr/local/bin/vault "
	apiServerProgram = "^kube-apiserver "
	kubeletProgram   = "^/usr/bin/kubelet "
)

// playOutages takes away, one after the other, everything that a mount needs, while workers run and others start. Each worker looks into its volume
// ten times a second and ends if a secret is not there.
func playOutages(t *testing.T) {
	s := begin(t, 8, "outages: no worker is lost or without its secrets, and all is healthy again by itself")
	s.settle(t)
	o := s.outages(t)
	for i, row := range []struct {
		what   string
		silent bool // the running workers do not answer meanwhile
		happen func(t *testing.T, crew string)
	}{
		{"the provider is killed", false, func(t *testing.T, crew string) { o.starting(t, crew); o.signal(t, "KILL", providerProgram) }},
		{"the driver is restarted", false, o.driverRestarted},
		{"the driver is killed during a first mount", false, o.driverKilledMidMount},
		{"Vault is restarted", false, func(t *testing.T, crew string) { o.starting(t, crew); o.replaced(t, stage.VaultNamespace, "app=vault") }},
		{"Vault is sealed", false, o.vaultSealed},
		{"the API server is killed", false, o.apiServerKilled},
		{"the node is restarted", true, func(t *testing.T, crew string) {
			o.starting(t, crew)
			require.NoError(t, s.RestartNode(long(t)))
			o.asker.at(s.Cluster.Node().IP())
		}},
	} {
		t.Run(row.what, func(t *testing.T) {
			crew := fmt.Sprintf("crew-%d", i)
			began := time.Now()
			row.happen(t, crew)
			o.heal(t)
			right, silent, wrong := o.asker.count()
			assert.Empty(t, wrong, "the running workers' answers")
			if row.silent {
				o.asker.await(t)
			} else {
				assert.Positive(t, right, "the running workers' answers")
				assert.Zero(t, silent, "questions to the running workers without an answer")
			}
			s.measure("%s: %d starting workers are ready after %.0f s; %d answers of the running ones, %d missed", row.what, crewSize, time.Since(began).Seconds(),
				right, silent)
		})
	}
	t.Run("none ran without its secrets", o.history)
	said, err := s.HelmTest(soon(t))
	require.NoError(t, err, said)
}

// long is how long what takes minutes may take: a kubelet publishes a volume again after 60 to 90 s, and waits longer after each failure.
func long(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	return ctx
}

// driverRestarted replaces the driver's pod.
func (o *outages) driverRestarted(t *testing.T, crew string) {
	o.starting(t, crew)
	o.replaced(t, metav1.NamespaceSystem, "app=secrets-store-csi-driver")
}

// driverKilledMidMount ends the driver while the provider waits for Vault with a pod's first secrets. What it leaves is a mount without files, for
// which the next driver reports success whatever the provider says: the pod starts, and gtc-exec holds its worker back.
func (o *outages) driverKilledMidMount(t *testing.T, crew string) {
	s := o.story
	client, err := s.Vault.Client(soon(t))
	require.NoError(t, err)
	goOn := o.stop(t, vaultProgram)
	o.starting(t, crew)
	var half *corev1.Pod
	s.eventually(t, "a half mounted volume", func(ctx context.Context) error {
		pods, err := o.pods(ctx, crew)
		if err != nil {
			return err
		}
		for i := range pods {
			if mounts, err := s.mounts(ctx, pods[i].UID); err != nil || len(mounts) == 1 {
				half = &pods[i]
				return err
			}
		}
		return errors.New("no volume is mounted yet")
	})
	// Vault refuses from now on, until the pod has been started. The kubelet must not start the driver anew before.
	restart := o.stop(t, kubeletProgram)
	o.signal(t, "KILL", driverProgram)
	goOn()
	_, err = client.Logical().DeleteWithContext(soon(t), "auth/"+o.mount+"/role/"+badge.Role(o.scope))
	require.NoError(t, err)
	restart()

	_, err = stage.Await(long(t), s.Pods(), half.Namespace, half.Name, func(pod *corev1.Pod) error {
		if status := pod.Status.ContainerStatuses; len(status) == 1 && status[0].State.Running != nil {
			return nil
		}
		return stage.Ready(pod)
	})
	require.NoError(t, err)
	volume := s.mounted(t, half.UID)
	require.Len(t, volume, 1)
	files, err := s.Cluster.Node().Exec(t.Context(), "ls", "-A", volume[0])
	require.NoError(t, err)
	assert.Empty(t, string(files), "driver 1.6 reports success over an empty volume; if it does so no longer, DESIGN 4 can be simplified")
	o.deployer(t, "", "vault", "apply")
}

// vaultSealed has workers start while Vault is sealed: they wait, and their owners can read why.
func (o *outages) vaultSealed(t *testing.T, crew string) {
	s := o.story
	s.sealed(t, func() {
		o.starting(t, crew)
		_, err := stage.Await(soon(t), s.Events(), o.namespace, "", func(e *corev1.Event) error {
			if e.Reason == "FailedMount" && strings.Contains(e.InvolvedObject.Name, crew) && strings.Contains(e.Message, "vault is not available") {
				return nil
			}
			return fmt.Errorf("the last event is %s of %s: %s", e.Reason, e.InvolvedObject.Name, e.Message)
		})
		require.NoError(t, err)
		pods, err := o.pods(t.Context(), crew)
		require.NoError(t, err)
		for _, pod := range pods {
			for _, status := range pod.Status.ContainerStatuses {
				assert.NotNil(t, status.State.Waiting, "container %s of %s has started", status.Name, pod.Name)
			}
		}
	})
}

// apiServerKilled ends the API server and waits until its kubelet has started another.
func (o *outages) apiServerKilled(t *testing.T, crew string) {
	o.starting(t, crew)
	before := o.process(t.Context(), apiServerProgram)
	require.NotEmpty(t, before)
	o.signal(t, "KILL", apiServerProgram)
	o.story.eventually(t, "another API server", func(ctx context.Context) error {
		if now := o.process(ctx, apiServerProgram); now == "" || now == before {
			return fmt.Errorf("its process is %q", now)
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return o.story.Kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}
