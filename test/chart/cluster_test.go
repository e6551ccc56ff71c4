package chart_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// mapper knows which resource a kind is. One is for all tests, as the lab is.
var mapper = struct {
	sync.Mutex
	*restmapper.DeferredDiscoveryRESTMapper
}{}

func resourceOf(t *testing.T, l *lab.Lab, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	t.Helper()
	mapper.Lock()
	defer mapper.Unlock()
	if mapper.DeferredDiscoveryRESTMapper == nil {
		mapper.DeferredDiscoveryRESTMapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(l.Clientset().Discovery()))
	}
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	resource := l.Dynamic().Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return resource.Namespace(object.GetNamespace()), nil
	}
	return resource, nil
}

// defineMonitors installs the Prometheus operator's definitions, from its own module.
func defineMonitors(t *testing.T, l *lab.Lab) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator")
	command.Dir = "../tools/prometheus-operator"
	command.Env = append(os.Environ(), "GOFLAGS=")
	out, err := command.Output()
	require.NoError(t, err, "%s", out)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	for _, name := range []string{"podmonitors", "prometheusrules"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+name+".yaml"))
		require.NoError(t, err)
		require.NoError(t, l.ApplyYAML(t.Context(), text))
	}
}
