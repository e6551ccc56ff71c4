package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// logSizes are those of all logs as they are now.
func logSizes(t *testing.T, w *world) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	files, err := filepath.Glob(filepath.Join(w.Dir(), "logs", "*"))
	require.NoError(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		sizes[file] = info.Size()
	}
	return sizes
}

// search looks for every canary where none may be. That it would find one is shown first, with a decoy in each place.
func (a *aviary) search(t *testing.T, decoy string) {
	t.Helper()
	var bait canary.Set
	require.NoError(t, bait.Add("decoy", decoy))
	a.plant(t, decoy)
	logs := filepath.Join(a.world.Dir(), "logs")
	require.NotEmpty(t, a.inFiles(t, bait, logs), "the decoy was not found in the logs")
	require.NotEmpty(t, a.inFiles(t, bait, a.world.EtcdDir()), "the decoy was not found in etcd's files")
	require.NotEmpty(t, a.inTheAPI(t, bait), "the decoy was not found in the API server")

	places := slices.Concat(a.inFiles(t, a.set, logs), a.inFiles(t, a.set, a.world.EtcdDir()), a.inTheAPI(t, a.set))
	for _, place := range places {
		if !strings.HasPrefix(place, "decoy in ") {
			t.Errorf("leak: %s", place)
		}
	}
	require.NotEmpty(t, a.spoken)
	for _, text := range a.spoken {
		for _, needle := range a.set.Find([]byte(text)) {
			t.Errorf("leak: %s (%s) in %q", needle.Name, needle.Form, text)
		}
	}
}

// inFiles says which files below dir hold a needle, in what was written since the first canary.
func (a *aviary) inFiles(t *testing.T, set canary.Set, dir string) []string {
	t.Helper()
	var found []string
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Seek(a.from[path], io.SeekStart); err != nil {
			return err
		}
		needles, err := set.FindIn(written{file})
		for _, needle := range needles {
			found = append(found, fmt.Sprintf("%s in %s (%s)", needle.Name, path, needle.Form))
		}
		files++
		return err
	}))
	require.Positive(t, files, dir)
	return found
}

// written is a file without the blocks that nobody has written to yet: etcd's log begins as 64 MB of zeros.
type written struct{ file io.Reader }

func (w written) Read(into []byte) (int, error) {
	for {
		n, err := w.file.Read(into)
		if n == 0 || err != nil || len(bytes.Trim(into[:n], "\x00")) > 0 {
			return n, err
		}
	}
}

// plant puts the decoy into the API server and into a log.
func (a *aviary) plant(t *testing.T, decoy string) {
	t.Helper()
	config := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": unique("decoy"), "namespace": "default"},
		"data": map[string]any{"decoy": decoy},
	}}
	require.NoError(t, a.world.Apply(t.Context(), config))
	t.Cleanup(func() { assert.NoError(t, a.world.Delete(context.WithoutCancel(t.Context()), config)) })
	cmd := a.world.Node().Command(t.Context(), "printf", "%s", decoy)
	process, err := a.world.StartProcess(unique("decoy"), cmd)
	require.NoError(t, err)
	require.NoError(t, process.Wait())
}

// inTheAPI lists all objects of all kinds that the API server can list and says which hold a needle.
func (a *aviary) inTheAPI(t *testing.T, set canary.Set) []string {
	t.Helper()
	lists, err := a.world.Clientset().Discovery().ServerPreferredResources()
	require.NoError(t, err)
	config := a.world.RESTConfig()
	config.WarningHandler = rest.NoWarnings{} // of kinds that are going away
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	var found []string
	objects, events := 0, 0
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, resource := range list.APIResources {
			if !strings.Contains(strings.Join(resource.Verbs, " "), "list") {
				continue
			}
			all, err := client.Resource(version.WithResource(resource.Name)).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // listed, and not served
			}
			require.NoError(t, err, resource.Name)
			for _, object := range all.Items {
				objects++
				if resource.Kind == "Event" {
					events++
				}
				text, err := object.MarshalJSON()
				require.NoError(t, err)
				for _, needle := range set.Find(text) {
					found = append(found, fmt.Sprintf("%s in %s %s/%s (%s)", needle.Name, object.GetKind(), object.GetNamespace(), object.GetName(), needle.Form))
				}
			}
		}
	}
	require.Greater(t, objects, 50, "too few objects")
	require.Positive(t, events, "no event")
	return found
}
