package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/floor"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// Pod is a pod that was never mounted, with a token that nobody has seen.
type Pod struct {
	stage *Stage
	index int // in its batch: says which secrets it reads
	pod   *corev1.Pod
	token string
}

// class is what the pods' volumes name. Nothing reads it: the bench is the driver.
const class = "bench"

// podsTime is what making a batch may take.
const podsTime = 2 * time.Minute

// Pods makes a batch of n pods in the API server and asks for a token of each.
func (s *Stage) Pods(ctx context.Context, n int) ([]Pod, error) {
	if n > s.pods {
		return nil, fmt.Errorf("making pods: there are secrets for %d at once, not for %d", s.pods, n)
	}
	ctx, cancel := context.WithTimeout(ctx, podsTime)
	defer cancel()
	pods := make([]Pod, n)
	makers, ctx := errgroup.WithContext(ctx)
	makers.SetLimit(8)
	for i := range pods {
		makers.Go(func() (err error) {
			pods[i], err = s.pod(ctx, i)
			return err
		})
	}
	if err := makers.Wait(); err != nil {
		return nil, fmt.Errorf("making pods: %w", err)
	}
	return pods, nil
}

func (s *Stage) pod(ctx context.Context, index int) (Pod, error) {
	object := lab.Pod{
		Namespace: s.badge.Namespace, Name: fmt.Sprintf("pod-%d", s.made.Add(1)), ServiceAccount: s.badge.ServiceAccount, Class: class,
	}.Object()
	made, err := s.lab.Clientset().CoreV1().Pods(s.badge.Namespace).Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return Pod{}, err
	}
	token, err := s.lab.Token(ctx, made, Audience)
	if err != nil {
		return Pod{}, err
	}
	return Pod{stage: s, index: index, pod: made, token: token}, nil
}

// Name is <namespace>/<name>/<uid>, as the provider's header X-Greentic-Pod has it.
func (p Pod) Name() string { return p.pod.Namespace + "/" + p.pod.Name + "/" + string(p.pod.UID) }

// Floor is the pod's mount as the floor does it.
func (p Pod) Floor(kind Kind) floor.Pod {
	mount := floor.Pod{Role: badge.Role(p.stage.scope), JWT: p.token}
	for n := range SecretsPerPod {
		mount.Paths = append(mount.Paths, p.stage.path(kind, p.index, n))
	}
	return mount
}

// Request is the pod's mount as the driver asks the provider for it.
func (p Pod) Request(kind Kind) (*v1alpha1.MountRequest, error) {
	wanted := params.Params{Scope: p.stage.scope}
	for n := range SecretsPerPod {
		ref, err := p.stage.reference(kind, p.index, n)
		if err != nil {
			return nil, err
		}
		wanted.Objects = append(wanted.Objects, params.Object{Ref: ref})
	}
	attributes, err := params.Encode(wanted)
	if err != nil {
		return nil, err
	}
	tokens, err := lab.TokensJSON(Audience, p.token, time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	for key, value := range map[string]string{
		"secretProviderClass":                      class,
		"csi.storage.k8s.io/pod.name":              p.pod.Name,
		"csi.storage.k8s.io/pod.namespace":         p.pod.Namespace,
		"csi.storage.k8s.io/pod.uid":               string(p.pod.UID),
		"csi.storage.k8s.io/serviceAccount.name":   p.pod.Spec.ServiceAccountName,
		"csi.storage.k8s.io/ephemeral":             "true",
		"csi.storage.k8s.io/serviceAccount.tokens": tokens,
	} {
		attributes[key] = value
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		return nil, err
	}
	return &v1alpha1.MountRequest{
		Attributes: string(text), Secrets: "null", Permission: "420", TargetPath: "/var/lib/kubelet/pods/" + string(p.pod.UID) + "/mount",
	}, nil
}

// ErrWrong is an answer that is not what the pod's secrets are.
var ErrWrong = errors.New("the answer is not what was stored")

// Check says whether an answer holds the pod's secrets, in order. It shows no value.
func (p Pod) Check(kind Kind, answer *v1alpha1.MountResponse) error {
	files := answer.GetFiles()
	if len(files) != SecretsPerPod {
		return fmt.Errorf("mounting %s: %w: %d files", p.Name(), ErrWrong, len(files))
	}
	for n, file := range files {
		if string(file.GetContents()) != value(kind, p.index, n) {
			return fmt.Errorf("mounting %s: %w: file %q", p.Name(), ErrWrong, file.GetPath())
		}
	}
	return nil
}
