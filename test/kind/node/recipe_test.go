package node

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/internal/build"
	"github.com/greenticai/gtc-csi-provider/test/kind/standin"
)

// kubeadm prints what a real one does.
const kubeadm = `registry.k8s.io/kube-apiserver:v1.35.4
registry.k8s.io/kube-controller-manager:v1.35.4
registry.k8s.io/kube-scheduler:v1.35.4
registry.k8s.io/kube-proxy:v1.35.4
registry.k8s.io/coredns/coredns:v1.13.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.6-0
`

// values are the parts of the driver's chart's that name images.
const values = `
linux:
  image: {repository: registry.k8s.io/csi-secrets-store/driver, tag: v1.6.0}
  crds: {image: {repository: registry.k8s.io/csi-secrets-store/driver-crds, tag: v1.6.0}}
  registrarImage: {repository: registry.k8s.io/sig-storage/csi-node-driver-registrar, tag: v2.16.0}
  livenessProbeImage: {repository: registry.k8s.io/sig-storage/livenessprobe, tag: v2.18.0}
`

// put writes a file and returns its path.
func put(t *testing.T, mode fs.FileMode, content string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), mode))
	return file
}

// ingredients is a recipe whose programs are texts.
func ingredients(t *testing.T) *recipe {
	t.Helper()
	dir := t.TempDir()
	r := &recipe{suite: "bookworm", chart: filepath.Join(dir, "chart"), kindFiles: filepath.Join(dir, "kind")}
	r.Dir = filepath.Join(dir, "cache")
	for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl", "kubelet"} {
		put(t, 0o755, program, dir, "node-1", "node", program)
	}
	put(t, 0o755, "#!/bin/sh\ncat <<'END'\n"+kubeadm+"END\n", dir, "node-1", "node", "kubeadm")
	r.kubernetes = build.Built{Path: filepath.Join(dir, "node-1", "node"), Version: "v1.35.4"}
	r.etcd = build.Built{Path: put(t, 0o755, "etcd", dir, "etcd-1", "etcd"), Version: "v3.7.3"}
	r.coredns = build.Built{Path: put(t, 0o755, "coredns", dir, "coredns-1", "coredns"), Version: "v1.14.7"}
	r.driver = build.Built{Path: put(t, 0o755, "driver", dir, "driver-1", "driver"), Version: "v1.6.0"}
	r.StandIns = standin.Programs{
		Pause: put(t, 0o755, "pause", dir, "pause"), Crictl: put(t, 0o755, "crictl", dir, "crictl"),
		Registrar: put(t, 0o755, "registrar", dir, "registrar"), LivenessProbe: put(t, 0o755, "livenessprobe", dir, "livenessprobe"),
	}
	put(t, 0o644, values, r.chart, "values.yaml")
	put(t, 0o644, "kind: CustomResourceDefinition\n", r.chart, "crds", "one.yaml")
	put(t, 0o444, "version = 2\n  sandbox_image = \"registry.k8s.io/pause:3.10\"\n", r.kindFiles, "etc", "containerd", "config.toml")
	put(t, 0o444, "#!/bin/bash\n", r.kindFiles, "usr", "local", "bin", "entrypoint")
	var err error
	r.images, err = r.allImages(t.Context())
	require.NoError(t, err)
	return r
}

func TestTheKeyFollowsEveryIngredient(t *testing.T) {
	seen := map[string]string{}
	for what, change := range map[string]func(r *recipe){
		"nothing":                 func(*recipe) {},
		"another release":         func(r *recipe) { r.suite = "trixie" },
		"another Kubernetes":      func(r *recipe) { r.kubernetes.Path = strings.Replace(r.kubernetes.Path, "node-1", "node-2", 1) },
		"another etcd":            func(r *recipe) { r.etcd.Path = strings.Replace(r.etcd.Path, "etcd-1", "etcd-2", 1) },
		"another CoreDNS":         func(r *recipe) { r.coredns.Path = strings.Replace(r.coredns.Path, "coredns-1", "coredns-2", 1) },
		"another driver":          func(r *recipe) { r.driver.Path = strings.Replace(r.driver.Path, "driver-1", "driver-2", 1) },
		"another pause":           func(r *recipe) { put(t, 0o755, "changed", r.StandIns.Pause) },
		"another crictl":          func(r *recipe) { put(t, 0o755, "changed", r.StandIns.Crictl) },
		"another registrar":       func(r *recipe) { put(t, 0o755, "changed", r.StandIns.Registrar) },
		"another liveness probe":  func(r *recipe) { put(t, 0o755, "changed", r.StandIns.LivenessProbe) },
		"another name of image":   func(r *recipe) { r.images[0].Name += "1" },
		"another file of kind's":  func(r *recipe) { put(t, 0o644, "1", r.kindFiles, "new") },
		"another file of chart's": func(r *recipe) { put(t, 0o644, "changed", r.chart, "crds", "one.yaml") },
	} {
		r := ingredients(t)
		change(r)
		key, err := r.hash()
		require.NoError(t, err)
		assert.NotContains(t, seen, key, "%s and %s have one key", what, seen[key])
		seen[key] = what
	}
	again, err := ingredients(t).hash()
	require.NoError(t, err)
	assert.Equal(t, "nothing", seen[again], "the same ingredients in another place have the same key")
}

func TestImagesHaveTheNamesThatAreAskedFor(t *testing.T) {
	r := ingredients(t)
	base := r.rootPath(mountRoot())
	got := map[string]Image{}
	for _, image := range r.images {
		got[image.Name] = image
	}
	for name, want := range map[string]Image{
		"registry.k8s.io/kube-apiserver:v1.35.4": {Files: map[string]string{"/usr/local/bin/kube-apiserver": r.program("kube-apiserver")}},
		"registry.k8s.io/kube-controller-manager:v1.35.4": {
			Files: map[string]string{"/usr/local/bin/kube-controller-manager": r.program("kube-controller-manager")},
		},
		"registry.k8s.io/kube-scheduler:v1.35.4": {Files: map[string]string{"/usr/local/bin/kube-scheduler": r.program("kube-scheduler")}},
		"registry.k8s.io/kube-proxy:v1.35.4":     {Base: base, Files: map[string]string{"/usr/local/bin/kube-proxy": r.program("kube-proxy")}},
		"registry.k8s.io/coredns/coredns:v1.14.7": {
			Files: map[string]string{"/coredns": r.coredns.Path}, Entrypoint: []string{"/coredns"},
		},
		"registry.k8s.io/pause:3.10.1": {Files: map[string]string{"/pause": r.StandIns.Pause}, Entrypoint: []string{"/pause"}},
		"registry.k8s.io/etcd:3.7.3-0": {Files: map[string]string{"/usr/local/bin/etcd": r.etcd.Path}},
		"registry.k8s.io/csi-secrets-store/driver:v1.6.0": {
			Base: base, Files: map[string]string{"/secrets-store-csi": r.driver.Path}, Entrypoint: []string{"/secrets-store-csi"},
		},
		"registry.k8s.io/csi-secrets-store/driver-crds:v1.6.0": {
			Files:      map[string]string{"/kubectl": r.program("kubectl"), "/crds/one.yaml": filepath.Join(r.chart, "crds", "one.yaml")},
			Entrypoint: []string{"/kubectl"},
		},
		"registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.16.0": {
			Files: map[string]string{"/csi-node-driver-registrar": r.StandIns.Registrar}, Entrypoint: []string{"/csi-node-driver-registrar"},
		},
		"registry.k8s.io/sig-storage/livenessprobe:v2.18.0": {
			Files: map[string]string{"/livenessprobe": r.StandIns.LivenessProbe}, Entrypoint: []string{"/livenessprobe"},
		},
	} {
		want.Name = name
		assert.Equal(t, want, got[name], name)
		delete(got, name)
	}
	assert.Empty(t, got)
	assert.Equal(t, &Made{EtcdTag: "3.7.3-0", DNSTag: "v1.14.7"}, r.made())
}

func TestAnImageThatNobodyKnowsIsAnError(t *testing.T) {
	r := ingredients(t)
	put(t, 0o755, "#!/bin/sh\necho registry.k8s.io/kube-new:v1\n", r.program("kubeadm"))
	_, err := r.allImages(t.Context())
	require.EqualError(t, err, "kubeadm asks for an image that nobody knows how to make: registry.k8s.io/kube-new:v1")
	put(t, 0o755, "#!/bin/sh\necho no such version >&2; exit 1\n", r.program("kubeadm"))
	_, err = r.allImages(t.Context())
	require.ErrorContains(t, err, "asking kubeadm for its images: ")
	require.ErrorContains(t, err, "no such version")
}

func TestTheTreeHasKindsFilesAndOurs(t *testing.T) {
	r := ingredients(t)
	dir := filepath.Join(t.TempDir(), "context")
	require.NoError(t, r.context(dir))
	for file, want := range map[string]struct {
		mode fs.FileMode
		text string
	}{
		"Dockerfile":                                      {0o644, "FROM " + rootImage + "\n"},
		"tree/usr/local/bin/entrypoint":                   {0o755, "#!/bin/bash\n"},
		"tree/usr/bin/kubelet":                            {0o755, "kubelet"},
		"tree/usr/bin/kubectl":                            {0o755, "kubectl"},
		"tree/usr/bin/kubeadm":                            {0o755, "#!/bin/sh\n"},
		"tree/usr/local/bin/crictl":                       {0o755, "crictl"},
		"tree/kind/hide-cgroups":                          {0o755, "#!/bin/sh\n"},
		"tree/etc/systemd/system/refuse-services.service": {0o644, "Before=kubelet.service\n"},
		"tree/kind/version":                               {0o644, "v1.35.4"},
		"tree/kind/manifests/default-storage.yaml":        {0o644, "kind: StorageClass\n"},
		"tree/etc/cni/net.d/10-gtc.conflist":              {0o644, `"type": "ptp"`},
		"tree/etc/containerd/config.toml":                 {0o644, "  sandbox_image = \"registry.k8s.io/pause:3.10.1\"\n"},
	} {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file)))
		if !assert.NoError(t, err) {
			continue
		}
		assert.Equal(t, want.mode, info.Mode().Perm(), file)
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		require.NoError(t, err)
		assert.Contains(t, string(text), want.text, file)
	}
	put(t, 0o644, "version = 2\n", r.kindFiles, "etc", "containerd", "config.toml")
	assert.ErrorContains(t, r.context(filepath.Join(t.TempDir(), "context")), "names no sandbox_image")
}
