package stage

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
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

// className is what the pods' volumes name. Nothing reads it: the bench is the driver.
const className = "bench"

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
		Namespace: s.badge.Namespace, Name: fmt.Sprintf("pod-%d", s.made.Add(1)), ServiceAccount: s.badge.ServiceAccount, Class: className,
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
