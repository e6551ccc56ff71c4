//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// playSync is for those who ask for a Kubernetes Secret: the operator lets the driver make them, and the class wears the label. Its Secret is
// still there when suite 11 searches.
func playSync(t *testing.T) {
	s := begin(t, 6, "a copy as a Kubernetes Secret, for those who ask; it goes with the pod")
	require.NoError(t, s.InstallDriver(soon(t), map[string]any{"syncSecret": map[string]any{"enabled": true}}))
	e := s.environment(t, s.id(""), nil, "sales/legacy/password")
	e.wire(t)
	value := s.syncedSecret(t, "legacy-")
	e.put(t, "sales/legacy/password", value)
	scope := e.scope(t, "sales")
	b := badge.For(badge.LayoutScope, scope)
	s.wear(t, b)
	s.keep()
	parameters := map[string]string{"scope": scope.String(), "objects": objects("ref: " + e.ref(t, "sales/legacy/password").String())}
	s.applyTyped(t, class(b.Namespace, "plain", parameters))
	for _, name := range []string{"stays", "leaves"} {
		c := class(b.Namespace, name, parameters)
		c.Labels = map[string]string{"greentic.ai/allow-sync": "true"}
		c.Spec.SecretObjects = syncedObjects(name, "sales/legacy/password")
		s.applyTyped(t, c)
	}

	t.Run("whoever does not ask has none", func(t *testing.T) {
		s.start(t, s.reader(b, "plain", volume{class: "plain", files: []string{"sales/legacy/password"}}))
		list, err := s.Kube.CoreV1().Secrets(b.Namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		assert.Empty(t, list.Items)
	})
	t.Run("whoever asks has one", func(t *testing.T) { s.copies(t, b, "stays", value) })
	t.Run("and it goes with the pod", func(t *testing.T) {
		s.copies(t, b, "leaves", value)
		require.NoError(t, s.Kube.CoreV1().Pods(b.Namespace).Delete(t.Context(), "leaves", metav1.DeleteOptions{}))
		require.NoError(t, stage.AwaitGone(soon(t), s.Secrets(), b.Namespace, "leaves"))
	})
}

// copies starts a pod whose class makes a Secret of its own name.
func (s *story) copies(t *testing.T, b badge.Badge, name, value string) {
	t.Helper()
	pod := s.start(t, s.reader(b, name, volume{class: name, files: []string{"sales/legacy/password"}}))
	assert.Equal(t, map[string]string{"sales/legacy/password": digest(value)}, s.told(t, pod, 0))
	_, err := stage.Await(soon(t), s.Secrets(), b.Namespace, name, func(secret *corev1.Secret) error {
		switch got := secret.Data["password"]; {
		case string(got) != value:
			return fmt.Errorf("its password has %d bytes and is another", len(got))
		case len(secret.OwnerReferences) == 0:
			return errors.New("it is nobody's: the driver says whose it is within 5 s, and a Secret of a pod that ends before that stays for ever")
		}
		return nil
	})
	require.NoError(t, err)
}

// syncedObjects asks the driver to copy one file of the volume into a Secret.
func syncedObjects(name, file string) []*secretsstorev1.SecretObject {
	return []*secretsstorev1.SecretObject{{
		SecretName: name, Type: string(corev1.SecretTypeOpaque),
		Data: []*secretsstorev1.SecretObjectData{{ObjectName: file, Key: "password"}},
	}}
}
