package manifest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// deployments are the objects of that kind, typed again: a field that the type does not know is an error.
func deployments(t *testing.T, objects []unstructured.Unstructured) []appsv1.Deployment {
	t.Helper()
	return decode[appsv1.Deployment](t, objects, "Deployment")
}

func decode[T any](t *testing.T, objects []unstructured.Unstructured, kind string) []T {
	t.Helper()
	var list []T
	for _, object := range objects {
		if object.GetKind() == kind {
			var typed T
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true))
			list = append(list, typed)
		}
	}
	return list
}
