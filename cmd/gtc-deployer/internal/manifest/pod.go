package manifest

import (
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
)

// Names and paths of upstream's pods.
const (
	servePort = 8080
	home      = "/var/greentic" // HOME, writable

	homeVolume     = "greentic-home"
	tmpVolume      = "tmp"
	envStoreVolume = "env-store-src"

	envStore        = "gtc-env-store" // the ConfigMap
	envStoreFolder  = "/etc/greentic/env-store"
	environmentFile = "environment.json"

	cloudflared = "/usr/local/bin/cloudflared" // in upstream's image
)

// nobody is the user and group of distroless images, "nonroot".
const nobody int64 = 65532

// rayonThreads keeps the runtime from sizing its threads by the node's cores, with which it has unpacked bundles wrongly (upstream).
const rayonThreads = "4"

// pod is a worker's pod before it is told where its secrets come from.
func (r *renderer) pod(w environment.Worker) corev1.PodSpec {
	return corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   ptr(true),
			RunAsUser:      ptr(nobody),
			RunAsGroup:     ptr(nobody),
			FSGroup:        ptr(nobody),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		InitContainers: []corev1.Container{r.stageEnvStore()},
		Containers:     []corev1.Container{r.workerContainer(w)},
		Volumes: []corev1.Volume{
			{Name: homeVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: tmpVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: envStoreVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: envStore},
				Optional:             ptr(true),
			}}},
		},
	}
}

func (r *renderer) workerContainer(w environment.Worker) corev1.Container {
	container := corev1.Container{
		Name:  "worker",
		Image: r.workerImage(w),
		Args:  r.workerArgs(),
		Env:   r.workerEnv(w),
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: servePort}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(servePort)}},
			InitialDelaySeconds: 2,
			PeriodSeconds:       5,
		},
		SecurityContext: hardened(),
		VolumeMounts:    []corev1.VolumeMount{{Name: homeVolume, MountPath: home}, {Name: tmpVolume, MountPath: "/tmp"}},
	}
	if r.options.WorkerCommand != "" {
		container.Command = []string{r.options.WorkerCommand}
	}
	return container
}

// workerArgs are upstream's, unless the options say others.
func (r *renderer) workerArgs() []string {
	if r.options.WorkerArgs != nil {
		return r.options.WorkerArgs
	}
	args := []string{"start", "--env", r.env.ID}
	if r.env.Runtime.Cloudflared {
		args = append(args, "--cloudflared", "on", "--cloudflared-binary", cloudflared)
	}
	return args
}

func (r *renderer) workerEnv(w environment.Worker) []corev1.EnvVar {
	vars := []corev1.EnvVar{
		{Name: "GREENTIC_ENV_ID", Value: r.env.ID},
		{Name: "HOME", Value: home},
		{Name: "GREENTIC_GATEWAY_LISTEN_ADDR", Value: "0.0.0.0"},
		{Name: "RAYON_NUM_THREADS", Value: rayonThreads},
	}
	if registries := r.env.Runtime.InsecureRegistries; len(registries) > 0 {
		vars = append(vars, corev1.EnvVar{Name: "GREENTIC_OCI_INSECURE_REGISTRIES", Value: strings.Join(registries, ",")})
	}
	vars = append(vars, corev1.EnvVar{Name: "GREENTIC_BUNDLE_ID", Value: w.Bundle})
	if w.Digest != "" {
		vars = append(vars, corev1.EnvVar{Name: "GREENTIC_BUNDLE_DIGEST", Value: w.Digest})
	}
	return vars
}

// stageEnvStore copies environment.json to where the runtime looks for it. It goes by what is there, so that pods do not wait for a ConfigMap
// that is another deployer's.
func (r *renderer) stageEnvStore() corev1.Container {
	return r.stage("stage-env-store", envStoreVolume, envStoreFolder, environmentFile, r.environmentFolder())
}

// environmentFolder is the environment's part of the runtime's store.
func (r *renderer) environmentFolder() string {
	return path.Join(home, ".greentic/environments", r.env.ID)
}

// stage is a container that copies file from a volume into a folder below home. The ids in the paths are of secretref's alphabet, so that
// nothing in them is special to a shell.
func (r *renderer) stage(name, volume, from, file, to string) corev1.Container {
	source, target := path.Join(from, file), path.Join(to, file)
	script := "set -eu; mkdir -p '" + to + "'; if [ -f '" + source + "' ]; then cp '" + source + "' '" + target + "'; fi"
	return corev1.Container{
		Name:            name,
		Image:           first(r.options.InitImage, r.env.Runtime.InitImage, DefaultInitImage),
		Command:         []string{"sh", "-c", script},
		SecurityContext: hardened(),
		VolumeMounts: []corev1.VolumeMount{
			{Name: volume, MountPath: from, ReadOnly: true},
			{Name: homeVolume, MountPath: home},
		},
	}
}

// workerImage is the image that the worker runs: a bundle's pin takes the place of the tag.
func (r *renderer) workerImage(w environment.Worker) string {
	image := first(r.options.WorkerImage, r.env.Runtime.Image, DefaultWorkerImage)
	if w.ImageDigest == "" {
		return image
	}
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return image + "@" + w.ImageDigest
}

// hardened is Kubernetes' restricted profile and a root filesystem that nobody writes.
func hardened() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false),
		ReadOnlyRootFilesystem:   ptr(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

func (r *renderer) deployment(w environment.Worker, pod corev1.PodSpec) appsv1.Deployment {
	annotations := scopeAnnotation(w.Scope)
	if r.env.Backend != environment.Vault {
		annotations[devStoreHash] = hashOfNothing()
	}
	return appsv1.Deployment{
		TypeMeta:   deploymentType,
		ObjectMeta: r.workerMeta(w),
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: r.selector(w)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: r.workerLabels(w), Annotations: annotations},
				Spec:       pod,
			},
		},
	}
}

func (r *renderer) service(w environment.Worker) corev1.Service {
	return corev1.Service{
		TypeMeta:   serviceType,
		ObjectMeta: r.workerMeta(w),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: r.selector(w),
			Ports:    []corev1.ServicePort{{Name: "http", Port: servePort, TargetPort: intstr.FromInt32(servePort)}},
		},
	}
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func ptr[T any](value T) *T { return &value }
