//go:build image

package image_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// images are what each target has to hold.
var images = map[string]struct {
	entrypoint string
	files      []string
}{
	"gtc-csi-provider": {"/usr/local/bin/gtc-csi-provider", []string{
		"usr/local/bin/gtc-csi-provider", "usr/local/bin/gtc-exec", "usr/share/doc/gtc-csi-provider/LICENSE", "usr/share/doc/gtc-csi-provider/NOTICES",
		"usr/share/doc/gtc-csi-provider/gtc-csi-provider.cdx.json", "usr/share/doc/gtc-csi-provider/gtc-exec.cdx.json",
	}},
	"gtc-deployer": {"/usr/local/bin/gtc-deployer", []string{
		"usr/local/bin/gtc-deployer", "usr/share/doc/gtc-deployer/LICENSE", "usr/share/doc/gtc-deployer/NOTICES",
		"usr/share/doc/gtc-deployer/gtc-deployer.cdx.json",
	}},
}

// TestImages looks at the images that `make image` has just built.
func TestImages(t *testing.T) {
	tag := os.Getenv("IMAGE_TAG")
	require.NotEmpty(t, tag, "make image says which tag it built")
	for _, architecture := range architectures {
		for name, want := range images {
			image := "ghcr.io/greenticai/" + name + ":" + tag
			if architecture != runtime.GOARCH {
				image += "-" + architecture
			}
			t.Run(image, func(t *testing.T) {
				found := inspect(t, image)
				assert.Equal(t, architecture, found.Architecture)
				assert.Equal(t, "65532:65532", found.Config.User)
				assert.Equal(t, []string{want.entrypoint}, found.Config.Entrypoint)
				assert.Equal(t, name, found.Config.Labels["org.opencontainers.image.title"])
				assert.Equal(t, tag, found.Config.Labels["org.opencontainers.image.version"])
				assert.LessOrEqual(t, found.Size, int64(maxImage))
				files := list(t, image)
				assert.Equal(t, want.files, files, "nothing else is in it")
				t.Logf("%s: %s, %d bytes", image, found.ID, found.Size)
				if architecture == runtime.GOARCH {
					out := docker(t, "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", image, "--version")
					assert.True(t, strings.HasPrefix(out, name+" "), out)
				}
			})
		}
	}
}

// inspected is what the engine tells of an image.
type inspected struct {
	ID, Architecture string
	Size             int64
	Config           struct {
		User       string
		Entrypoint []string
		Labels     map[string]string
	}
}

func inspect(t *testing.T, image string) inspected {
	t.Helper()
	var all []inspected
	require.NoError(t, json.Unmarshal([]byte(docker(t, "image", "inspect", image)), &all))
	require.Len(t, all, 1)
	return all[0]
}

// list is every file of an image, sorted. The folders that the engine itself makes are left out.
func list(t *testing.T, image string) []string {
	t.Helper()
	container := strings.TrimSpace(docker(t, "create", "--network", "none", image))
	defer docker(t, "rm", container)
	var files []string
	for archive := tar.NewReader(strings.NewReader(docker(t, "export", container))); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if header.Typeflag == tar.TypeReg && !slices.Contains([]string{"dev", "etc", "proc", "sys", ".dockerenv"}, strings.Split(header.Name, "/")[0]) {
			files = append(files, header.Name)
		}
	}
	slices.Sort(files)
	return files
}

// docker runs the command line that DOCKER names.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	command := os.Getenv("DOCKER")
	if command == "" {
		command = "docker"
	}
	words := append(strings.Fields(command), args...)
	return run(t, ".", words[0], words[1:]...)
}
