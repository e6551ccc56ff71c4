package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"path"

	corev1 "k8s.io/api/core/v1"
)

// Names and paths of upstream's dev-store in the cluster.
const (
	devSecrets       = "gtc-dev-secrets"           //nolint:gosec // the Secret's name
	devSecretsVolume = "dev-secrets-src"           //nolint:gosec // a volume's name
	devSecretsFolder = "/etc/greentic/dev-secrets" //nolint:gosec // a path
	devStoreFile     = ".dev.secrets.env"
	devStoreHash     = "greentic.ai/dev-store-hash"
)

// devStoreSecret renders the Secret without data, as upstream's rendering does: values are whoever's who applies it.
func (r *renderer) devStoreSecret() {
	for _, namespace := range r.namespaces() {
		r.add(corev1.Secret{TypeMeta: secretType, ObjectMeta: r.meta(namespace, devSecrets, componentDevSecrets), Type: corev1.SecretTypeOpaque})
	}
}

// fromDevStore has the Secret copied to where the runtime opens it for writing.
func (r *renderer) fromDevStore(pod *corev1.PodSpec) {
	pod.InitContainers = append(pod.InitContainers,
		r.stage("stage-dev-secrets", devSecretsVolume, devSecretsFolder, devStoreFile, path.Join(r.environmentFolder(), ".greentic/dev")))
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: devSecretsVolume, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: devSecrets, Optional: ptr(true)},
	}})
}

// hashOfNothing is upstream's annotation for a dev-store that is not known when the pod is rendered.
func hashOfNothing() string {
	sum := sha256.Sum256([]byte("<empty>"))
	return hex.EncodeToString(sum[:])
}
