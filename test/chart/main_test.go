package chart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	"github.com/greenticai/gtc-csi-provider/test/helm"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

const (
	folder    = "../../chart"
	release   = "gtc-csi-provider"
	namespace = "gtc-system"
)

func TestMain(m *testing.M) {
	code := lab.Main(m, lab.Options{})
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// template renders the chart with values, a YAML text, and returns what Helm says where it refuses.
func template(t *testing.T, values string, args ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	text, err := templateText(t, values, args...)
	if err != nil {
		return nil, err
	}
	objects, err := lab.Objects([]byte(text))
	require.NoError(t, err)
	return objects, nil
}

func templateText(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte(values), 0o600))
	return helm.Run(t.Context(), append([]string{
		"template", release, folder, "--namespace", namespace, "--kube-version", "1.35.4", "--values", file,
	}, args...)...)
}

// render is template where nothing is to be refused.
func render(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := template(t, values)
	require.NoError(t, err)
	return objects
}

// find is the object "Kind/name"; nil if there is none.
func find(objects []*unstructured.Unstructured, name string) *unstructured.Unstructured {
	for _, object := range objects {
		if object.GetKind()+"/"+object.GetName() == name {
			return object
		}
	}
	return nil
}

// at is what stands at a JSONPath of an object, as JSON without the list around a single result; "" if there is nothing.
func at(t *testing.T, object *unstructured.Unstructured, path string) string {
	t.Helper()
	if object == nil {
		return ""
	}
	parsed := jsonpath.New(path).AllowMissingKeys(true)
	require.NoError(t, parsed.Parse("{"+path+"}"), path)
	found, err := parsed.FindResults(object.Object)
	require.NoError(t, err, path)
	var texts []string
	for _, result := range found {
		for _, value := range result {
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			require.NoError(t, encoder.Encode(value.Interface()))
			texts = append(texts, strings.TrimSpace(text.String()))
		}
	}
	return strings.Join(texts, " ")
}

// everything turns on whatever is off.
const everything = `
podMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboard: {enabled: true}
networkPolicy: {enabled: true}
`

// home is the namespace of the release in the lab.
func home(t *testing.T, l *lab.Lab) {
	t.Helper()
	require.NoError(t, l.ApplyYAML(t.Context(), []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")))
}

// dryRun has the API server check objects as if they were applied.
func dryRun(t *testing.T, l *lab.Lab, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range objects {
		resource, err := resourceOf(t, l, object)
		require.NoError(t, err)
		_, err = resource.Apply(t.Context(), object.GetName(), object,
			metav1.ApplyOptions{FieldManager: "gtc-test", Force: true, DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err, "%s %s", object.GetKind(), object.GetName())
	}
}
