package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// Class is what the pods of a batch ask for.
type Class struct {
	Kind    Kind
	Refresh time.Duration // how old an answer may be; 0 is the provider's own
	Same    bool          // all ask for the first one's secrets, as replicas do
	Own     bool          // the files are named after the pod, so that no two pods ask for the same
}

// index says whose secrets the pod reads.
func (c Class) index(p Pod) int {
	if c.Same {
		return 0
	}
	return p.index
}

// Request is a call for the pod's volume as the driver makes it.
func (p Pod) Request(class Class) (*v1alpha1.MountRequest, error) {
	wanted := params.Params{Scope: p.stage.scope, Refresh: class.Refresh}
	for n := range SecretsPerPod {
		ref, err := p.stage.reference(class.Kind, class.index(p), n)
		if err != nil {
			return nil, err
		}
		o := params.Object{Ref: ref}
		if class.Own {
			o.File = fmt.Sprintf("%s/%d", p.pod.Name, n)
		}
		wanted.Objects = append(wanted.Objects, o)
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
		"secretProviderClass":                      className,
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
func (p Pod) Check(class Class, answer *v1alpha1.MountResponse) error {
	files := answer.GetFiles()
	if len(files) != SecretsPerPod {
		return fmt.Errorf("mounting %s: %w: %d files", p.Name(), ErrWrong, len(files))
	}
	for n, file := range files {
		if string(file.GetContents()) != value(class.Kind, class.index(p), n) {
			return fmt.Errorf("mounting %s: %w: file %q", p.Name(), ErrWrong, file.GetPath())
		}
	}
	return nil
}
