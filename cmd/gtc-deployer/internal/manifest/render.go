package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// order is the kinds in the order in which they are applied: what others lie in or refer to comes first.
var order = []string{
	"Namespace", "ServiceAccount", "ConfigMap", "Secret", "NetworkPolicy", "SecretProviderClass", "Service", "Deployment",
}

// The kinds as the API server names them.
var (
	namespaceType      = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Namespace"}
	serviceAccountType = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "ServiceAccount"}
	configMapType      = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "ConfigMap"}
	secretType         = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"}
	serviceType        = metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service"}
	deploymentType     = metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"}
	networkPolicyType  = metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"}
	providerClassType  = metav1.TypeMeta{APIVersion: secretsstorev1.SchemeGroupVersion.String(), Kind: "SecretProviderClass"}
)

// renderer holds what every object of one rendering is made from.
type renderer struct {
	env     environment.Environment
	options Options
	objects []any
}

// Render is the environment's objects in the order in which they are applied. Every fault of the options is an ErrInvalid.
func Render(env environment.Environment, options Options) ([]unstructured.Unstructured, error) {
	if err := options.check(env); err != nil {
		return nil, err
	}
	r := renderer{env: env, options: options}
	for _, namespace := range r.namespaces() {
		r.namespace(namespace)
	}
	if env.Backend != environment.Vault {
		r.devStoreSecret()
	}
	for _, scope := range env.Scopes() {
		if env.Backend == environment.Vault {
			r.serviceAccount(scope)
		}
	}
	for _, worker := range env.Workers {
		if err := r.worker(worker); err != nil {
			return nil, err
		}
	}
	return sorted(r.objects)
}

func (r *renderer) add(object any) { r.objects = append(r.objects, object) }

// worker renders one worker's objects.
func (r *renderer) worker(w environment.Worker) error {
	pod := r.pod(w)
	switch {
	case r.env.Backend != environment.Vault:
		r.fromDevStore(&pod)
	case len(w.Needs) > 0:
		class, err := r.providerClass(w)
		if err != nil {
			return fmt.Errorf("bundle %q: %w", w.Bundle, err)
		}
		r.add(class)
		r.fromVault(&pod, w)
	}
	if r.env.Backend == environment.Vault {
		r.wearBadge(&pod, w)
	}
	r.add(r.service(w))
	r.add(r.deployment(w, pod))
	return nil
}

// namespaceOf is where a worker runs.
func (r *renderer) namespaceOf(w environment.Worker) string {
	switch {
	case r.env.Backend == environment.Vault:
		return badge.Namespace(r.options.Layout, w.Scope)
	case r.env.Runtime.Namespace != "":
		return r.env.Runtime.Namespace
	default:
		return upstreamNamespace(r.env.ID)
	}
}

// namespaces are the workers' namespaces, sorted, each once.
func (r *renderer) namespaces() []string {
	names := make([]string, len(r.env.Workers))
	for i, w := range r.env.Workers {
		names[i] = r.namespaceOf(w)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sorted makes of typed objects what is written: without what only the API server sets, and in the order of application.
func sorted(typed []any) ([]unstructured.Unstructured, error) {
	objects := make([]unstructured.Unstructured, len(typed))
	for i, object := range typed {
		text, err := json.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("encoding %T: %w", object, err)
		}
		if err := json.Unmarshal(text, &objects[i].Object); err != nil {
			return nil, fmt.Errorf("encoding %T: %w", object, err)
		}
		prune(objects[i].Object)
	}
	slices.SortFunc(objects, func(a, b unstructured.Unstructured) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			strings.Compare(a.GetNamespace(), b.GetNamespace()),
			strings.Compare(a.GetName(), b.GetName()),
		)
	})
	return objects, nil
}

// rank is an object's place in order; kinds that are not rendered here come last.
func rank(object unstructured.Unstructured) int {
	if i := slices.Index(order, object.GetKind()); i >= 0 {
		return i
	}
	return len(order)
}

// unset are fields that the types write as {} where nobody set them. Elsewhere {} means something: all pods, or a volume of the default kind.
var unset = []string{"spec", "strategy", "resources"}

// prune takes out what the types write for fields that nobody set.
func prune(object map[string]any) {
	delete(object, "status")
	var walk func(map[string]any)
	walk = func(fields map[string]any) {
		for name, value := range fields {
			inner, isMap := value.(map[string]any)
			if value == nil || isMap && len(inner) == 0 && slices.Contains(unset, name) {
				delete(fields, name)
				continue
			}
			if isMap {
				walk(inner)
			}
			list, _ := value.([]any)
			for _, item := range list {
				if inner, isMap := item.(map[string]any); isMap {
					walk(inner)
				}
			}
		}
	}
	walk(object)
}
