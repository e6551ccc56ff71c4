package mount

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// What a request or a response is refused with; a fault of the parameters is params.ErrInvalid.
var (
	// ErrInvalid is a request that is not the driver's wire format.
	ErrInvalid = errors.New("invalid mount request")
	// ErrKubelet is a request without the pod's identity.
	ErrKubelet = errors.New("the kubelet's fields are missing")
	// ErrTokens are tokens that are not the kubelet's.
	ErrTokens = errors.New("the pod's tokens are not the kubelet's")
	// ErrNoToken is a request without a token for an audience.
	ErrNoToken = errors.New("no token for the pod")
	// ErrTooLarge is a response that the driver would not take.
	ErrTooLarge = errors.New("the files are more than the driver takes")
)

// The kubelet's keys among the attributes.
const (
	keyPodName        = "csi.storage.k8s.io/pod.name"
	keyPodNamespace   = "csi.storage.k8s.io/pod.namespace"
	keyPodUID         = "csi.storage.k8s.io/pod.uid"
	keyServiceAccount = "csi.storage.k8s.io/serviceAccount.name"
	keyTokens         = "csi.storage.k8s.io/serviceAccount.tokens" //nolint:gosec // a key, no credential
)

// Request is what a pod's volume asks for, and who the kubelet and the tokens say that the pod is.
type Request struct {
	Params params.Params
	Pod    badge.Pod
	Tokens map[string]secret.Value // by audience
}

// Token is the pod's token for audience.
func (r Request) Token(audience string) (secret.Value, error) {
	token, ok := r.Tokens[audience]
	if !ok {
		return secret.Value{}, fmt.Errorf("%w: the driver sent none for the audience %q; add {audience: %q} to tokenRequests of the CSIDriver object "+
			"secrets-store.csi.k8s.io, and restart the pod", ErrNoToken, audience, audience)
	}
	return token, nil
}

// Decode reads the driver's request. All faults are reported at once. What it knows of the pod is in the Request even then. What classes
// remember is not read again.
func Decode(wire *v1alpha1.MountRequest, classes *params.Memory) (Request, error) {
	attributes, err := texts("attributes", wire.GetAttributes())
	if err != nil {
		return Request{}, err
	}
	var r Request
	var faults [3]error
	r.Pod, faults[0] = pod(attributes)
	r.Params, faults[1] = classes.Decode(attributes)
	r.Tokens, faults[2] = tokens(attributes, wire.GetSecrets())
	return r, errors.Join(faults[:]...)
}

// texts is a JSON map of strings. No error holds anything of it: it may be full of tokens.
func texts(field, text string) (map[string]string, error) {
	object, err := exactjson.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w; the driver sends one JSON object of strings", field, ErrInvalid, err)
	}
	values := make(map[string]string, len(object))
	for name := range object.All() {
		value, err := object.Text(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: a value is not a string; the driver sends one JSON object of strings", field, ErrInvalid)
		}
		values[name] = value
	}
	return values, nil
}

func pod(attributes map[string]string) (badge.Pod, error) {
	p := badge.Pod{
		Namespace: attributes[keyPodNamespace], Name: attributes[keyPodName],
		UID: attributes[keyPodUID], ServiceAccount: attributes[keyServiceAccount],
	}
	var faults []error
	for _, field := range []struct{ key, value string }{
		{keyPodNamespace, p.Namespace}, {keyPodName, p.Name}, {keyPodUID, p.UID}, {keyServiceAccount, p.ServiceAccount},
	} {
		switch {
		case field.value == "":
			faults = append(faults, fmt.Errorf("%s: %w; set podInfoOnMount: true on the CSIDriver object secrets-store.csi.k8s.io", field.key, ErrKubelet))
		case !kubernetesName(field.value):
			faults = append(faults, fmt.Errorf("%s: %w: it is no name that Kubernetes gives", field.key, ErrInvalid))
		}
	}
	if len(faults) > 0 {
		return badge.Pod{}, errors.Join(faults...)
	}
	return p, nil
}

// kubernetesName holds for all names and UIDs of Kubernetes. It keeps what is not one out of logs and headers.
func kubernetesName(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	return len(text) <= 253 && !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(letters, r) })
}

// tokens finds the pod's tokens in both places. With tokens in both that differ, one of the two was put there by the pod's author.
func tokens(attributes map[string]string, secrets string) (map[string]secret.Value, error) {
	inAttributes, err := tokenMap("attributes", attributes[keyTokens])
	if err != nil {
		return nil, err
	}
	var held map[string]string
	if secrets != "" && secrets != "null" {
		if held, err = texts("secrets", secrets); err != nil {
			return nil, err
		}
	}
	if held[keyTokens] == attributes[keyTokens] {
		return inAttributes, nil // the driver sends the same text in both
	}
	inSecrets, err := tokenMap("secrets", held[keyTokens])
	switch {
	case err != nil:
		return nil, err
	case inSecrets == nil:
		return inAttributes, nil
	case inAttributes != nil && !same(inAttributes, inSecrets):
		return nil, fmt.Errorf("%w: attributes and secrets hold different ones under %s; remove that key from the pod's volumeAttributes "+
			"and from its nodePublishSecretRef", ErrTokens, keyTokens)
	}
	return inSecrets, nil
}

// tokenMap reads {"<audience>":{"token":"…","expirationTimestamp":"…"}}; nil if there is none.
func tokenMap(where, text string) (map[string]secret.Value, error) {
	if text == "" {
		return nil, nil
	}
	object, err := exactjson.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w: %w", where, keyTokens, ErrTokens, err)
	}
	byAudience := make(map[string]secret.Value, len(object))
	for audience := range object.All() {
		entry, err := object.Object(audience)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w: an entry is not a JSON object", where, keyTokens, ErrTokens)
		}
		token, err := entry.Bytes("token")
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w: an entry: %w", where, keyTokens, ErrTokens, err)
		}
		byAudience[audience] = secret.New(token)
	}
	return byAudience, nil
}

func same(a, b map[string]secret.Value) bool {
	if len(a) != len(b) {
		return false
	}
	for audience, token := range a {
		other, ok := b[audience]
		if !ok || !token.Equal(other) {
			return false
		}
	}
	return true
}
