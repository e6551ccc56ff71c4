package manifest

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Names and paths of what stands between the driver's volume and the worker.
const (
	providerName = "greentic"
	driverName   = "secrets-store.csi.k8s.io"

	secretsVolume = "secrets"
	secretsFolder = "/var/run/greentic/secrets" //nolint:gosec // a path: gtc-exec's default

	// The worker writes and locks its dev-store file, so the file cannot lie on the driver's volume, which nobody may write.
	devStoreVolume = "dev-store"
	devStoreFolder = "/var/run/greentic/dev-store"
	devStorePath   = devStoreFolder + "/" + devStoreFile

	execVolume = "gtc-exec"
	execFolder = "/gtc"
	execName   = "gtc-exec"
	execSource = "/usr/local/bin/gtc-exec" // in our image
)

// devStoreLimit is for the largest volume (4 MiB) as a dev-store file, which writes a byte as about six, twice: the file is replaced whole.
const devStoreLimit = "64Mi"

// serviceAccount renders the half of a scope's badge that is not a namespace.
func (r *renderer) serviceAccount(scope secretref.Scope) {
	b := badge.For(r.options.Layout, scope)
	meta := r.meta(b.Namespace, b.ServiceAccount, componentWorker)
	meta.Annotations = scopeAnnotation(scope)
	r.add(corev1.ServiceAccount{TypeMeta: serviceAccountType, ObjectMeta: meta, AutomountServiceAccountToken: ptr(false)})
}

// providerClass names a worker's secrets.
func (r *renderer) providerClass(w environment.Worker) (secretsstorev1.SecretProviderClass, error) {
	objects := make([]params.Object, len(w.Needs))
	for i, need := range w.Needs {
		objects[i] = params.Object{Ref: need.Ref, Optional: need.Optional, Fallback: need.Fallback}
	}
	parameters, err := params.Encode(params.Params{Scope: w.Scope, Vault: r.options.Connection, Objects: objects})
	if err != nil {
		return secretsstorev1.SecretProviderClass{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return secretsstorev1.SecretProviderClass{
		TypeMeta:   providerClassType,
		ObjectMeta: r.workerMeta(w),
		Spec:       secretsstorev1.SecretProviderClassSpec{Provider: providerName, Parameters: parameters},
	}, nil
}

// wearBadge gives the pod its worker's identity and no token for it.
func (r *renderer) wearBadge(pod *corev1.PodSpec, w environment.Worker) {
	pod.ServiceAccountName = badge.ServiceAccount(w.Scope)
	pod.AutomountServiceAccountToken = ptr(false)
	pod.EnableServiceLinks = ptr(false)
}

// fromVault puts the driver's volume into the pod, and gtc-exec before the worker.
func (r *renderer) fromVault(pod *corev1.PodSpec, w environment.Worker) {
	pod.InitContainers = append(pod.InitContainers, corev1.Container{
		Name:  "install-gtc-exec",
		Image: first(r.options.ExecImage, DefaultExecImage),
		// Said, because Kubernetes would ask the registry each time for an image that somebody tags "latest", also where a node has it.
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{execSource, "install", execFolder},
		SecurityContext: hardened(),
		VolumeMounts:    []corev1.VolumeMount{{Name: execVolume, MountPath: execFolder}},
	})
	pod.Volumes = append(pod.Volumes,
		corev1.Volume{Name: secretsVolume, VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
			Driver:           driverName,
			ReadOnly:         ptr(true),
			VolumeAttributes: map[string]string{"secretProviderClass": workerName(w)},
		}}},
		corev1.Volume{Name: devStoreVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium: corev1.StorageMediumMemory, SizeLimit: ptr(resource.MustParse(devStoreLimit)),
		}}},
		corev1.Volume{Name: execVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	)
	worker := &pod.Containers[0]
	worker.Command = slices.Concat(
		[]string{execFolder + "/" + execName, "run"}, promises(w.Needs), []string{"--dev-store", devStorePath, "--"},
		[]string{first(r.options.WorkerCommand, DefaultWorkerCommand)}, worker.Args,
	)
	worker.Args = nil
	worker.Env = append(worker.Env,
		corev1.EnvVar{Name: "GREENTIC_SECRETS_BACKEND", Value: "dev-store"},
		corev1.EnvVar{Name: "GREENTIC_DEV_SECRETS_PATH", Value: devStorePath},
	)
	worker.VolumeMounts = append(worker.VolumeMounts,
		corev1.VolumeMount{Name: secretsVolume, MountPath: secretsFolder, ReadOnly: true},
		corev1.VolumeMount{Name: devStoreVolume, MountPath: devStoreFolder},
		corev1.VolumeMount{Name: execVolume, MountPath: execFolder, ReadOnly: true},
	)
}

// promises are the flags that tell gtc-exec what to wait for.
func promises(needs []environment.Need) []string {
	flags := make([]string, 0, 2*len(needs))
	for _, need := range needs {
		flag := "--secret"
		if need.Optional {
			flag = "--optional-secret"
		}
		flags = append(flags, flag, need.Ref.String())
	}
	return flags
}
