//go:build e2e

package e2e_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// port is where a pod's first container listens; each next one listens one higher.
const port = 8080

// folder is where a reader's container has its volume.
const folder = "/secrets"

// volume is one CSI volume of a pod, and the files in it that a container of its own reads.
type volume struct {
	class      string
	attributes map[string]string // besides the class's name
	files      []string
}

// wear makes a badge's namespace and ServiceAccount.
func (s *story) wear(t *testing.T, b badge.Badge) {
	t.Helper()
	s.applyTyped(t,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.ServiceAccount}},
	)
}

// class is a class of the product's with parameters, as its author writes it.
func class(namespace, name string, parameters map[string]string) *secretsstorev1.SecretProviderClass {
	return &secretsstorev1.SecretProviderClass{
		TypeMeta:   metav1.TypeMeta{APIVersion: secretsstorev1.GroupVersion.String(), Kind: "SecretProviderClass"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       secretsstorev1.SecretProviderClassSpec{Provider: "greentic", Parameters: parameters},
	}
}

// reader is a pod that wears a badge and has a container for each volume, which serves what its files' digests are. It runs as a normal user.
func (s *story) reader(b badge.Badge, name string, volumes ...volume) *corev1.Pod {
	yes, no, user := true, false, int64(65532)
	grace := int64(2)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name},
		Spec: corev1.PodSpec{
			ServiceAccountName: b.ServiceAccount, AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &grace,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	for i, v := range volumes {
		attributes := map[string]string{"secretProviderClass": v.class}
		for key, value := range v.attributes {
			attributes[key] = value
		}
		id := "volume-" + strconv.Itoa(i)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: id, VolumeSource: corev1.VolumeSource{
			CSI: &corev1.CSIVolumeSource{Driver: "secrets-store.csi.k8s.io", ReadOnly: &yes, VolumeAttributes: attributes},
		}})
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: "reader-" + strconv.Itoa(i), Image: s.Images.Worker,
			Args: append([]string{"-watch", "-serve", ":" + strconv.Itoa(port+i), "files", folder}, v.files...),
			Env:  []corev1.EnvVar{{Name: "GREENTIC_GATEWAY_LISTEN_ADDR", Value: "0.0.0.0"}},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt(port + i)},
			}},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: id, MountPath: folder, ReadOnly: true}},
		})
	}
	return pod
}

// start creates a pod and returns it when it is ready.
func (s *story) start(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	return s.ready(t, s.create(t, pod))
}

// ready is the pod when it is.
func (s *story) ready(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	ready, err := stage.Await(soon(t), s.Pods(), pod.Namespace, pod.Name, stage.Ready)
	require.NoError(t, err)
	return ready
}

func (s *story) create(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	made, err := s.Kube.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

// refused creates a pod whose only volume is refused, as refusedMount tells: nothing is mounted.
func (s *story) refused(t *testing.T, pod *corev1.Pod, texts ...string) *corev1.Pod {
	t.Helper()
	made := s.refusedMount(t, pod, texts...)
	assert.Empty(t, s.mounted(t, made.UID), "nothing is mounted")
	return made
}

// refusedMount creates a pod with a volume that is refused: one of its events holds every one of texts, and none of its containers has started.
func (s *story) refusedMount(t *testing.T, pod *corev1.Pod, texts ...string) *corev1.Pod {
	t.Helper()
	made := s.create(t, pod)
	_, err := stage.Await(soon(t), s.Events(), pod.Namespace, "", func(e *corev1.Event) error {
		if e.InvolvedObject.UID != made.UID || e.Reason != "FailedMount" {
			return fmt.Errorf("the last event is %s of %s: %s", e.Reason, e.InvolvedObject.Name, e.Message)
		}
		for _, text := range texts {
			if !strings.Contains(e.Message, text) {
				return fmt.Errorf("it does not hold %q: %s", text, e.Message)
			}
		}
		return nil
	})
	require.NoError(t, err)
	now, err := s.Kube.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	for _, status := range now.Status.ContainerStatuses {
		assert.NotNil(t, status.State.Waiting, "container %s has started", status.Name)
	}
	return now
}

// mounted is where the node has tmpfs of the pod's CSI volumes.
func (s *story) mounted(t *testing.T, pod types.UID) []string {
	t.Helper()
	targets, err := s.mounts(t.Context(), pod)
	require.NoError(t, err)
	return targets
}

func (s *story) mounts(ctx context.Context, pod types.UID) ([]string, error) {
	out, err := s.Cluster.Node().Exec(ctx, "cat", "/proc/mounts")
	var targets []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[2] == "tmpfs" && strings.Contains(fields[1], string(pod)+"/volumes/kubernetes.io~csi/") {
			targets = append(targets, fields[1])
		}
	}
	return targets, err
}

// told is what a pod's stand-in answers over HTTP: for each secret by name its digest.
func (s *story) told(t *testing.T, pod *corev1.Pod, container int) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, err := s.answer(ctx, pod, container)
	require.NoError(t, err, "%s", text)
	return lines(text)
}

// answer is what a container answers over HTTP, by the API server's proxy.
func (s *story) answer(ctx context.Context, pod *corev1.Pod, container int) (string, error) {
	text, err := s.Kube.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, strconv.Itoa(port+container), "/", nil).DoRaw(ctx)
	return string(text), err
}

func lines(text string) map[string]string {
	told := map[string]string{}
	for line := range strings.Lines(text) {
		name, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		told[name] = what
	}
	return told
}

// digest is what the stand-in tells of a value.
func digest(value string) string {
	return fmt.Sprintf("sha256=%x bytes=%d", sha256.Sum256([]byte(value)), len(value))
}
