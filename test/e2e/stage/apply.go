package stage

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/restmapper"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// fieldManager owns the fields that are applied.
const fieldManager = "gtc-e2e"

// resetter maps kinds to resources, and can be told to ask again.
type resetter interface {
	meta.RESTMapper
	Reset()
}

func newMapper(d discovery.DiscoveryInterface) resetter {
	return restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
}

// ApplyYAML is Apply for every document of a YAML text.
func (s *Stage) ApplyYAML(ctx context.Context, text []byte) error {
	objects, err := lab.Objects(text)
	if err != nil {
		return err
	}
	return s.Apply(ctx, objects...)
}

// Apply applies objects in order, server side, as the cluster's administrator. It returns the first refusal.
func (s *Stage) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		resource, err := s.resource(ctx, object)
		if err == nil {
			_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		}
		if err != nil {
			return fmt.Errorf("applying %s %q: %w", object.GetKind(), object.GetNamespace()+"/"+object.GetName(), err)
		}
	}
	return nil
}

// Objects are typed objects as Apply takes them: with their kinds, and without a status.
func Objects(typed ...runtime.Object) ([]*unstructured.Unstructured, error) {
	objects := make([]*unstructured.Unstructured, len(typed))
	for i, object := range typed {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, err
		}
		delete(fields, "status")
		objects[i] = &unstructured.Unstructured{Object: fields}
		if objects[i].GetKind() != "" {
			continue
		}
		kinds, _, err := scheme.Scheme.ObjectKinds(object)
		if err != nil {
			return nil, err
		}
		objects[i].SetGroupVersionKind(kinds[0])
	}
	return objects, nil
}

// resource is the API of an object's kind, in its namespace. A kind that was defined a moment ago is waited for.
func (s *Stage) resource(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	kind := object.GroupVersionKind()
	for {
		mapping, err := s.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		switch {
		case err == nil && mapping.Scope.Name() == meta.RESTScopeNameNamespace:
			return s.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
		case err == nil:
			return s.dynamic.Resource(mapping.Resource), nil
		case !meta.IsNoMatchError(err):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
			s.mapper.Reset()
		}
	}
}
