package integration_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// tokensKey is where the kubelet puts a pod's tokens, among the attributes or among the secrets.
const tokensKey = "csi.storage.k8s.io/serviceAccount.tokens"

// token is the pod's token for Vault, as the kubelet gets it.
func (w *world) token(t *testing.T, v *lab.Volume) string {
	t.Helper()
	token, err := w.Token(t.Context(), v.Pod(), "vault")
	require.NoError(t, err)
	return token
}

// tokens is the JSON text in which the kubelet sends a token for Vault.
func tokens(t *testing.T, token string) string {
	t.Helper()
	text, err := lab.TokensJSON("vault", token, time.Now().Add(time.Hour))
	require.NoError(t, err)
	return text
}

// signed is a token of the pod that verifies, with changed claims.
func (w *world) signed(t *testing.T, v *lab.Volume, change func(claims map[string]any)) string {
	t.Helper()
	claims, err := w.Claims(t.Context(), v.Pod(), "vault", time.Now(), time.Hour)
	require.NoError(t, err)
	change(claims)
	token, err := w.SignToken(claims)
	require.NoError(t, err)
	return token
}

// attributes are what the driver sends for a pod: the class's parameters, what the kubelet says of the pod, and its tokens if there are any.
func attributes(v *lab.Volume, c class, tokens string) map[string]string {
	pod := v.Pod()
	all := c.parameters()
	for key, value := range map[string]string{
		"secretProviderClass":                    "class",
		"csi.storage.k8s.io/pod.name":            pod.Name,
		"csi.storage.k8s.io/pod.namespace":       pod.Namespace,
		"csi.storage.k8s.io/pod.uid":             string(pod.UID),
		"csi.storage.k8s.io/serviceAccount.name": pod.Spec.ServiceAccountName,
		"csi.storage.k8s.io/ephemeral":           "true",
		tokensKey:                                tokens,
	} {
		if value != "" {
			all[key] = value
		}
	}
	return all
}

// wire is the request that the driver sends to a provider. Secrets that are nil are sent as "null".
func wire(t *testing.T, attributes, secrets map[string]string) *v1alpha1.MountRequest {
	t.Helper()
	return &v1alpha1.MountRequest{
		Attributes: jsonText(t, attributes), Secrets: jsonText(t, secrets), TargetPath: "/nowhere", Permission: "420",
	}
}

// own is the request that the driver sends for the pod with its own token: the baseline of what is refused.
func (w *world) own(t *testing.T, v *lab.Volume, c class) *v1alpha1.MountRequest {
	t.Helper()
	return wire(t, attributes(v, c, tokens(t, w.token(t, v))), nil)
}

func jsonText(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// moveTokens puts the kubelet's tokens where it puts them with serviceAccountTokenInSecrets on the CSIDriver object.
func moveTokens(r *csi.NodePublishVolumeRequest) {
	r.Secrets[tokensKey] = r.VolumeContext[tokensKey]
	delete(r.VolumeContext, tokensKey)
}
