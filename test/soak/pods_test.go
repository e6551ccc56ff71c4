package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

const (
	// republish is the mean time between two publishes of a volume; a kubelet's is a minute or so.
	republish = time.Second
	// callTime is for one publish, of which a kubelet waits two minutes.
	callTime = 30 * time.Second
	// patience is how long what must happen in the end may take on a busy machine.
	patience = 3 * time.Minute
)

// class is a SecretProviderClass of the soak.
type class struct {
	name    string
	badge   badge.Badge
	objects []*rotating
}

// newClass applies a class for home's badge that claims scope and wants all of objects.
func (s *soak) newClass(ctx context.Context, name, provider string, home, scope secretref.Scope, objects ...*rotating) (class, error) {
	c := class{name: name, badge: badge.For(badge.LayoutScope, home), objects: objects}
	var text strings.Builder
	for _, o := range objects {
		fmt.Fprintf(&text, "- ref: %q\n", o.ref)
	}
	return c, s.applyClass(ctx, c, provider, scope, text.String())
}

func (s *soak) applyClass(ctx context.Context, c class, provider string, scope secretref.Scope, objects string) error {
	return s.Apply(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": map[string]any{"namespace": c.badge.Namespace, "name": c.name},
		"spec":     map[string]any{"provider": provider, "parameters": map[string]any{"scope": scope.String(), "objects": objects}},
	}})
}

// newPod makes a pod of the class in the API server, however often that takes.
func (s *soak) newPod(ctx context.Context, c class) (*pod, error) {
	name := fmt.Sprintf("pod-%d", s.pods.Add(1))
	object := lab.Pod{Namespace: c.badge.Namespace, ServiceAccount: c.badge.ServiceAccount, Name: name, Class: c.name}.Object()
	restrict(&object.Spec)
	var made *corev1.Pod
	err := s.until(ctx, "making "+name, func(ctx context.Context) (err error) {
		pods := s.Clientset().CoreV1().Pods(object.Namespace)
		if made, err = pods.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			if there, e := pods.Get(ctx, name, metav1.GetOptions{}); e == nil { // the answer of the try before was lost
				made, err = there, nil
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p := &pod{soak: s, name: name + " of " + c.name, volume: s.kubelet.VolumesOf(made)[0], objects: c.objects, shown: make([]int, len(c.objects))}
	p.watching = p.watch
	return p, nil
}

// restrict makes the pod one that the namespaces of Greentic's workers take.
func restrict(spec *corev1.PodSpec) {
	yes, no := true, false
	spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}

// live publishes and watches the pod's volume until ctx ends, and then ends the pod as a kubelet does.
func (p *pod) live(ctx context.Context) {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() { defer close(watched); p.watching(watching) }()
	for ctx.Err() == nil {
		if p.publish(ctx) == nil {
			p.soak.count("publish")
			p.start()
		}
		_ = wait(ctx, republish/2+rand.N(republish))
	}
	stop()
	<-watched
	p.end(context.WithoutCancel(ctx))
}

// never are codes that no fault of Vault, of the way to it or of a server can be reason for.
var never = map[codes.Code]bool{codes.PermissionDenied: true, codes.InvalidArgument: true, codes.NotFound: true, codes.DataLoss: true}

func (p *pod) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	err := p.volume.Publish(ctx, p.soak.hearTokens)
	if err == nil {
		return nil
	}
	p.soak.heard(err.Error())
	reason := "no answer"
	if refused, ok := status.FromError(err); ok {
		reason = refused.Code().String()
		if never[refused.Code()] && !p.stranger {
			p.soak.fail("%s: refused with %s: %v", p.name, reason, err)
		}
	}
	p.soak.count("publish failed: " + reason)
	return err
}

// hearTokens makes canaries of the tokens that the kubelet sends.
func (s *soak) hearTokens(r *csi.NodePublishVolumeRequest) {
	var sent map[string]struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(r.VolumeContext["csi.storage.k8s.io/serviceAccount.tokens"]), &sent); err != nil {
		s.fail("the kubelet's tokens: %v", err)
	}
	for _, entry := range sent {
		_, signature, _ := strings.Cut(entry.Token, ".") // what stands before the signature are claims, which are no secret
		_, signature, _ = strings.Cut(signature, ".")
		s.canary("a pod's token", signature)
	}
}

// end deletes the pod and unpublishes its volume, however often that takes.
func (p *pod) end(ctx context.Context) {
	err := p.soak.until(ctx, "deleting "+p.name, func(ctx context.Context) error {
		err := p.soak.kubelet.DeletePod(ctx, p.volume.Pod())
		if err != nil && strings.Contains(err.Error(), "not found") {
			return nil
		}
		return err
	})
	if err == nil {
		err = p.soak.until(ctx, "unpublishing "+p.name, p.volume.Unpublish)
	}
	if err != nil {
		p.soak.fail("%v", err)
		return
	}
	if mounted, err := p.volume.Mounted(); err != nil || mounted {
		p.soak.fail("%s: after its end something is mounted (%t, %v)", p.name, mounted, err)
	}
}

// visit has pods of the class come and go until ctx ends: each stays until it has its volume, and a few seconds longer.
func (s *soak) visit(ctx context.Context, c class) {
	for ctx.Err() == nil {
		p, err := s.newPod(ctx, c)
		if err != nil {
			s.failUnlessOver(ctx, err)
			return
		}
		life, leave := context.WithCancel(ctx)
		lived := make(chan struct{})
		go func() { defer close(lived); p.live(life) }()
		err = s.until(ctx, "the volume of "+p.name, func(context.Context) error { return p.complete() })
		s.failUnlessOver(ctx, err)
		_ = wait(ctx, rand.N(5*time.Second))
		leave()
		<-lived
		s.count("visit")
	}
}

// intrude has pods come that claim another team's scope. Each is refused for good, and nothing is ever in its volume.
func (s *soak) intrude(ctx context.Context, c class) {
	for ctx.Err() == nil {
		p, err := s.newPod(ctx, c)
		if err != nil {
			s.failUnlessOver(ctx, err)
			return
		}
		p.stranger = true
		err = s.until(ctx, "the refusal of "+p.name, func(ctx context.Context) error {
			err := p.publish(ctx)
			if files, e := p.volume.Files(); e != nil || len(files) > 0 {
				s.fail("%s: %d files in a stranger's volume (%v)", p.name, len(files), e)
			}
			if err == nil || status.Code(err) == codes.PermissionDenied {
				return nil // without an error it is an empty mount that the driver left when it was killed
			}
			return err
		})
		s.failUnlessOver(ctx, err)
		p.end(context.WithoutCancel(ctx))
		s.count("stranger refused")
		_ = wait(ctx, 3*time.Second)
	}
}
