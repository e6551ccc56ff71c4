package manifest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/manifest"
)

// content is every file of a folder.
func content(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	files := make(map[string]string, len(entries))
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		files[entry.Name()] = string(text)
	}
	return files
}

func TestWriteFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new [1]", "manifests")
	objects := render(t, vaultEnvironment(), manifest.Options{})
	require.NoError(t, manifest.WriteFolder(folder, objects))
	files := content(t, folder)
	require.Len(t, files, len(objects))
	assert.Contains(t, files, "00-namespace-gtc-prod--acme--sales.yaml")
	assert.Contains(t, files, "05-secretproviderclass-gtc-prod--acme--sales.gtc-worker-crm.yaml")
	for _, object := range objects {
		text, err := manifest.YAML(object)
		require.NoError(t, err)
		_, body, _ := strings.Cut(files[manifest.FileName(object)], "\n")
		assert.Equal(t, string(text), body)
	}

	require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte("resources: []\n"), 0o600))
	fewer := vaultEnvironment()
	fewer.Workers = fewer.Workers[:1]
	require.NoError(t, manifest.WriteFolder(folder, render(t, fewer, manifest.Options{})))
	files = content(t, folder)
	assert.Len(t, files, len(render(t, fewer, manifest.Options{}))+1)
	assert.NotContains(t, files, "07-deployment-gtc-prod.gtc-worker-desk--blue.yaml", "an object that is no more")
	assert.Equal(t, "resources: []\n", files["kustomization.yaml"], "a file of somebody else")
}

func TestWriteFolderReplacesNothingOfOthers(t *testing.T) {
	objects := render(t, vaultEnvironment(), manifest.Options{})
	for name, place := range map[string]func(t *testing.T, file string){
		"a file":   func(t *testing.T, file string) { require.NoError(t, os.WriteFile(file, []byte("mine\n"), 0o600)) },
		"an empty": func(t *testing.T, file string) { require.NoError(t, os.WriteFile(file, nil, 0o600)) },
		"a folder": func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file, 0o700)) },
		"a link":   func(t *testing.T, file string) { require.NoError(t, os.Symlink("elsewhere", file)) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			place(t, filepath.Join(folder, manifest.FileName(objects[3])))
			err := manifest.WriteFolder(folder, objects)
			require.ErrorContains(t, err, "was not written by gtc-deployer; move it away or name another folder")
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Len(t, entries, 1, "nothing is half-written")
		})
	}
}

func TestWriteFolderWhereThereCanBeNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err := manifest.WriteFolder(file, render(t, vaultEnvironment(), manifest.Options{}))
	require.ErrorContains(t, err, "writing manifests: ")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestWrite(t *testing.T) {
	objects := render(t, vaultEnvironment(), manifest.Options{})
	var text bytes.Buffer
	require.NoError(t, manifest.Write(&text, objects))
	assert.Len(t, strings.Split(text.String(), "---\n"), len(objects)+1)
	require.ErrorIs(t, manifest.Write(fullDisk{}, objects), errFull)
	_, err := manifest.YAML(unstructured.Unstructured{Object: map[string]any{"kind": "X", "f": func() {}}})
	require.ErrorContains(t, err, "encoding 08-x-.yaml")
}
