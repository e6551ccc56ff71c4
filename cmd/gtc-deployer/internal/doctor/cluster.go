package doctor

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var (
	csiDrivers        = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "csidrivers"}
	daemonSets        = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	admissionPolicies = schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies",
	}
)

// What a cluster may answer instead of an object.
var (
	errAbsent    = errors.New("it is not there")
	errForbidden = errors.New("it may not be looked at")
)

// cluster reads objects. Its errors are errAbsent, errForbidden, or say why there was no answer; none repeats what the API server wrote.
type cluster struct{ client dynamic.Interface }

// get reads a cluster's object into into.
func (c cluster) get(ctx context.Context, resource schema.GroupVersionResource, name string, into any) error {
	object, err := c.client.Resource(resource).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return answer("get", resource, err)
	}
	return convert(object, into)
}

// list reads the objects of all namespaces that have these labels; "" is all objects.
func (c cluster) list(ctx context.Context, resource schema.GroupVersionResource, labels string) ([]unstructured.Unstructured, error) {
	found, err := c.client.Resource(resource).List(ctx, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		return nil, answer("list", resource, err)
	}
	return found.Items, nil
}

func convert(object *unstructured.Unstructured, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return fmt.Errorf("reading %s %q of the cluster: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

func answer(verb string, resource schema.GroupVersionResource, err error) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsNotFound(err):
		return errAbsent
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: grant this user %s on %s", errForbidden, verb, resource.GroupResource())
	case apierrors.IsUnauthorized(err):
		return errors.New("asking the cluster: it does not accept the credentials: renew those of the kubeconfig's user")
	case errors.As(err, &status):
		return fmt.Errorf("asking the cluster to %s %s: it answers %d %s", verb, resource.GroupResource(), status.Status().Code, status.Status().Reason)
	default:
		return fmt.Errorf("asking the cluster to %s %s: %w", verb, resource.GroupResource(), err)
	}
}
