package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// fieldManager owns the fields that the lab applies.
const fieldManager = "gtc-lab"

// patience is how long a kind that is not served yet is waited for: a definition that was just applied is served a moment later.
const patience = 10 * time.Second

// mapper knows which resource a kind is, and asks again for one that it does not know.
type mapper struct {
	*restmapper.DeferredDiscoveryRESTMapper
}

func newMapper(d discovery.DiscoveryInterface) *mapper {
	return &mapper{restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))}
}

func (m *mapper) resource(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		mapping, err := m.RESTMapping(kind.GroupKind(), kind.Version)
		if err == nil || !meta.IsNoMatchError(err) {
			return mapping, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
			m.Reset()
		}
	}
}

// Apply applies objects in order as the administrator, server side, taking over fields that others own; an object of a namespaced kind without a
// namespace goes to "default". It returns the first refusal. When classes are among them it returns once the driver has
// seen them too (SyncDriver): the driver reads them from a watch, and a mount right after would else be a race.
func (l *Lab) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	classes := false
	for _, object := range objects {
		if err := l.apply(ctx, object); err != nil {
			return fmt.Errorf("applying %s %q: %w", object.GetKind(), object.GetNamespace()+"/"+object.GetName(), err)
		}
		classes = classes || object.GetKind() == classKind
	}
	if classes && l.DriverRunning() {
		return l.SyncDriver(ctx)
	}
	return nil
}

func (l *Lab) apply(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := l.resource(ctx, object)
	if err != nil {
		return err
	}
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	return err
}

// Delete deletes objects at once, without grace, as the administrator. One that is not there is an error.
func (l *Lab) Delete(ctx context.Context, objects ...*unstructured.Unstructured) error {
	var now int64
	for _, object := range objects {
		resource, err := l.resource(ctx, object)
		if err == nil {
			err = resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
		}
		if err != nil {
			return fmt.Errorf("deleting %s %q: %w", object.GetKind(), object.GetNamespace()+"/"+object.GetName(), err)
		}
	}
	return nil
}

func (l *Lab) resource(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	mapping, err := l.clients.mapper.resource(ctx, object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	resource := l.clients.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resource, nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return resource.Namespace(namespace), nil
}

// ApplyYAML applies every document of a YAML (or JSON) text.
func (l *Lab) ApplyYAML(ctx context.Context, text []byte) error {
	objects, err := Objects(text)
	if err != nil {
		return err
	}
	return l.Apply(ctx, objects...)
}

// Objects are the objects of a YAML (or JSON) text with any number of documents. Empty documents are passed over.
func Objects(text []byte) ([]*unstructured.Unstructured, error) {
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var objects []*unstructured.Unstructured
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading document %d: %w", n, err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
			return nil, fmt.Errorf("reading document %d: %w", n, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
