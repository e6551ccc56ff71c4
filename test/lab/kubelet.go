package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kubelet does for CSI volumes what the kubelet of Kubernetes 1.35 does (pkg/volume/csi and pkg/kubelet/token there), as the node's own user.
// It has no loop: a test says when a volume is published, republished and unpublished.
type Kubelet struct {
	lab *Lab

	caches bool

	mu     sync.Mutex // guards what follows
	tokens map[string]*authenticationv1.TokenRequest
	object *storagev1.CSIDriver // the last that was read, of a kubelet that caches
}

// Kubelet is a kubelet that asks for fresh tokens with every publish.
func (l *Lab) Kubelet() *Kubelet { return &Kubelet{lab: l} }

// CachingKubelet is a kubelet that keeps a pod's tokens as a real one does: until a fifth of their life is left, or a day has passed. It goes on while
// the API server does not answer, by the CSIDriver object that it has read before.
func (l *Lab) CachingKubelet() *Kubelet {
	return &Kubelet{lab: l, caches: true, tokens: map[string]*authenticationv1.TokenRequest{}}
}

// Pod says what a pod with one CSI volume is like.
type Pod struct {
	// Namespace, Name and ServiceAccount of the pod. The namespace and the ServiceAccount must exist.
	Namespace, Name, ServiceAccount string
	// Class is the SecretProviderClass of the volume.
	Class string
	// Attributes are further volumeAttributes.
	Attributes map[string]string
	// SecretRef is the volume's nodePublishSecretRef; empty for none.
	SecretRef string
	// Volume is the volume's name; empty means "secrets".
	Volume string
	// Annotations of the pod.
	Annotations map[string]string
}

// Object is the pod as its author would write it.
func (p Pod) Object() *corev1.Pod {
	yes := true
	attributes := map[string]string{"secretProviderClass": p.Class}
	for key, value := range p.Attributes {
		attributes[key] = value
	}
	source := &corev1.CSIVolumeSource{Driver: driverName, ReadOnly: &yes, VolumeAttributes: attributes}
	if p.SecretRef != "" {
		source.NodePublishSecretRef = &corev1.LocalObjectReference{Name: p.SecretRef}
	}
	name := p.Volume
	if name == "" {
		name = "secrets"
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Annotations: p.Annotations},
		Spec: corev1.PodSpec{
			NodeName: nodeName, ServiceAccountName: p.ServiceAccount,
			Volumes: []corev1.Volume{{Name: name, VolumeSource: corev1.VolumeSource{CSI: source}}},
			Containers: []corev1.Container{{
				Name: "worker", Image: "worker",
				VolumeMounts: []corev1.VolumeMount{{Name: name, MountPath: "/secrets", ReadOnly: true}},
			}},
		},
	}
}

// Volume makes the pod in the API server, as the administrator, and returns its one CSI volume, which is not published yet.
func (k *Kubelet) Volume(ctx context.Context, pod Pod) (*Volume, error) {
	if _, err := k.lab.clients.clientset.CoreV1().ServiceAccounts(pod.Namespace).Get(ctx, pod.ServiceAccount, metav1.GetOptions{}); err != nil {
		return nil, fmt.Errorf("making pod %q: its ServiceAccount: %w", pod.Namespace+"/"+pod.Name, err)
	}
	made, err := k.lab.clients.clientset.CoreV1().Pods(pod.Namespace).Create(ctx, pod.Object(), metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("making pod %q: %w", pod.Namespace+"/"+pod.Name, err)
	}
	volumes := k.VolumesOf(made)
	return volumes[0], nil
}

// VolumesOf are the CSI volumes of a pod that is in the API server, as they stand in its spec.
func (k *Kubelet) VolumesOf(pod *corev1.Pod) []*Volume {
	var volumes []*Volume
	for _, v := range pod.Spec.Volumes {
		if v.CSI != nil && v.CSI.Driver == driverName {
			volumes = append(volumes, &Volume{kubelet: k, pod: pod, name: v.Name, source: v.CSI})
		}
	}
	return volumes
}

// DeletePod takes the pod from the API server at once. Its tokens are invalid from then on; its volumes are to be unpublished by the caller.
func (k *Kubelet) DeletePod(ctx context.Context, pod *corev1.Pod) error {
	var now int64
	if err := k.lab.clients.clientset.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		return fmt.Errorf("deleting pod %q: %w", pod.Namespace+"/"+pod.Name, err)
	}
	return nil
}

// tokensKey is where the kubelet puts the pod's tokens: an attribute of the volume, or a secret of the request.
const tokensKey = "csi.storage.k8s.io/serviceAccount.tokens"

// tokensOf is the JSON text that a kubelet sends for the CSIDriver object's tokenRequests; empty where there are none.
func (k *Kubelet) tokensOf(ctx context.Context, pod *corev1.Pod, driver *storagev1.CSIDriver) (string, error) {
	if len(driver.Spec.TokenRequests) == 0 {
		return "", nil
	}
	tokens := map[string]authenticationv1.TokenRequestStatus{}
	for _, wanted := range driver.Spec.TokenRequests {
		audiences := []string{wanted.Audience}
		if wanted.Audience == "" { // the API server's own
			audiences = []string{}
		}
		token, err := k.token(ctx, pod, audiences, wanted.ExpirationSeconds)
		if err != nil {
			return "", fmt.Errorf("asking for a token with audience %q: %w", wanted.Audience, err)
		}
		tokens[wanted.Audience] = token.Status
	}
	text, err := json.Marshal(tokens)
	if err != nil {
		return "", fmt.Errorf("encoding the pod's tokens: %w", err)
	}
	return string(text), nil
}

// driver is the CSIDriver object.
func (k *Kubelet) driver(ctx context.Context) (*storagev1.CSIDriver, error) {
	object, err := k.lab.clients.nodeset.StorageV1().CSIDrivers().Get(ctx, driverName, metav1.GetOptions{})
	if !k.caches {
		return object, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.object = object
	}
	if k.object != nil {
		return k.object, nil
	}
	return nil, err
}

// token is one bound token, from the cache if that has one which is young enough.
func (k *Kubelet) token(ctx context.Context, pod *corev1.Pod, audiences []string, seconds *int64) (*authenticationv1.TokenRequest, error) {
	key := fmt.Sprintf("%q %q %q %q", pod.Namespace, pod.Spec.ServiceAccountName, pod.UID, audiences)
	k.mu.Lock()
	defer k.mu.Unlock()
	if token, ok := k.tokens[key]; ok && !stale(token) {
		return token, nil
	}
	token, err := k.lab.clients.nodeset.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			Audiences: audiences, ExpirationSeconds: seconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		}}, metav1.CreateOptions{})
	if err == nil && k.caches {
		k.tokens[key] = token
	}
	return token, err
}

// stale says whether a kubelet would refresh the token: less than a fifth of its life is left, or it is a day old, give or take ten seconds.
func stale(token *authenticationv1.TokenRequest) bool {
	end := token.Status.ExpirationTimestamp.Time
	life := time.Duration(*token.Spec.ExpirationSeconds) * time.Second // the API server fills it in
	jitter := rand.N(10 * time.Second)
	now := time.Now()
	return now.After(end.Add(-life).Add(24*time.Hour-jitter)) || now.After(end.Add(-life/5-jitter))
}
