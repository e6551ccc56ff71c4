package manifest

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// The labels and annotations. The first five are upstream's.
const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	labelComponent = "app.kubernetes.io/component"
	labelEnv       = "greentic.ai/env"
	labelBundle    = "greentic.ai/bundle"
	labelRevision  = "greentic.ai/revision"

	labelWorker     = "greentic.ai/worker"
	annotationScope = "greentic.ai/scope"
)

// The components, as upstream names them.
const (
	componentNamespace     = "namespace"
	componentWorker        = "worker"
	componentRouter        = "router"
	componentNetworkPolicy = "network-policy"
	componentEnvStore      = "env-store"
	componentDevSecrets    = "dev-secrets"
)

func (r *renderer) labels(component string) map[string]string {
	return map[string]string{labelManagedBy: "greentic", labelComponent: component, labelEnv: r.env.ID}
}

func (r *renderer) meta(namespace, name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: r.labels(component)}
}

// selector is what tells a worker's pods from all others.
func (r *renderer) selector(w environment.Worker) map[string]string {
	return map[string]string{labelEnv: r.env.ID, labelWorker: workerName(w)}
}

func (r *renderer) workerLabels(w environment.Worker) map[string]string {
	labels := r.labels(componentWorker)
	maps.Copy(labels, r.selector(w))
	labels[labelBundle] = w.Bundle
	if w.Revision != "" {
		labels[labelRevision] = w.Revision
	}
	return labels
}

func (r *renderer) workerMeta(w environment.Worker) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:   r.namespaceOf(w),
		Name:        workerName(w),
		Labels:      r.workerLabels(w),
		Annotations: scopeAnnotation(w.Scope),
	}
}

func scopeAnnotation(scopes ...secretref.Scope) map[string]string {
	texts := make([]string, len(scopes))
	for i, scope := range scopes {
		texts[i] = scope.String()
	}
	slices.Sort(texts)
	return map[string]string{annotationScope: strings.Join(slices.Compact(texts), ",")}
}

// namespace renders a namespace and what every namespace of an environment holds.
func (r *renderer) namespace(name string) {
	namespace := corev1.Namespace{TypeMeta: namespaceType, ObjectMeta: r.meta("", name, componentNamespace)}
	if r.env.Backend == environment.Vault {
		var scopes []secretref.Scope
		for _, w := range r.env.Workers {
			if r.namespaceOf(w) == name {
				scopes = append(scopes, w.Scope)
			}
		}
		namespace.Annotations = scopeAnnotation(scopes...)
		// The pods are all of the restricted profile; this keeps others from standing beside a badge with more rights.
		namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	}
	r.add(namespace)
	r.networkPolicies(name)
	if r.options.EnvironmentStore != nil {
		r.add(corev1.ConfigMap{
			TypeMeta:   configMapType,
			ObjectMeta: r.meta(name, envStore, componentEnvStore),
			Data:       map[string]string{environmentFile: string(r.options.EnvironmentStore)},
		})
	}
}
