package node

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
)

// allImages are the control plane's, under the names that this kubeadm asks for, and the driver's, under the names in its chart.
func (r *recipe) allImages(ctx context.Context) ([]Image, error) {
	control, err := r.controlPlane(ctx)
	if err != nil {
		return nil, err
	}
	driver, err := r.driverImages()
	if err != nil {
		return nil, err
	}
	return append(control, driver...), nil
}

func (r *recipe) program(name string) string { return filepath.Join(r.kubernetes.Path, name) }

func (r *recipe) controlPlane(ctx context.Context) ([]Image, error) {
	names, err := engine.Output(exec.CommandContext(ctx, r.program("kubeadm"), "config", "images", "list", "--kubernetes-version", r.kubernetes.Version))
	if err != nil {
		return nil, fmt.Errorf("asking kubeadm for its images: %w", err)
	}
	var images []Image
	for name := range strings.FieldsSeq(string(names)) {
		repository, _, _ := strings.Cut(name, ":")
		program := repository[strings.LastIndex(repository, "/")+1:]
		image := Image{Name: name}
		switch program {
		case "kube-apiserver", "kube-controller-manager", "kube-scheduler":
			image.Files = map[string]string{"/usr/local/bin/" + program: r.program(program)}
		case "kube-proxy":
			image.Base, image.Files = r.rootPath(mountRoot()), map[string]string{"/usr/local/bin/" + program: r.program(program)}
		case "etcd":
			image.Name, image.Files = repository+":"+r.etcdTag(), map[string]string{"/usr/local/bin/etcd": r.etcd.Path}
		case "coredns":
			image.Name, image.Files = repository+":"+r.coredns.Version, map[string]string{"/coredns": r.coredns.Path}
			image.Entrypoint = []string{"/coredns"}
		case "pause":
			image.Files, image.Entrypoint = map[string]string{"/pause": r.StandIns.Pause}, []string{"/pause"}
		default:
			return nil, fmt.Errorf("kubeadm asks for an image that nobody knows how to make: %s", name)
		}
		images = append(images, image)
	}
	return images, nil
}

// pauseImage is the name of the image that holds a pod's namespaces.
func (r *recipe) pauseImage() (string, error) {
	for _, image := range r.images {
		if strings.Contains(image.Name, "/pause:") {
			return image.Name, nil
		}
	}
	return "", fmt.Errorf("kubeadm asks for no pause image")
}

// chartImage is how the chart's values name an image.
type chartImage struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
}

func (c chartImage) name() string { return c.Repository + ":" + c.Tag }

// driverImages are the driver's. Its own calls mount, so it has a Debian root below it, as the published one has.
func (r *recipe) driverImages() ([]Image, error) {
	text, err := os.ReadFile(filepath.Join(r.chart, "values.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading which images the driver's chart names: %w", err)
	}
	var values struct {
		Linux struct {
			Image chartImage `json:"image"`
			CRDs  struct {
				Image chartImage `json:"image"`
			} `json:"crds"`
			RegistrarImage     chartImage `json:"registrarImage"`
			LivenessProbeImage chartImage `json:"livenessProbeImage"`
		} `json:"linux"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("reading which images the driver's chart names: %w", err)
	}
	crds := map[string]string{"/kubectl": r.program("kubectl")}
	definitions, err := fs.Glob(os.DirFS(r.chart), "crds/*")
	if err != nil {
		return nil, fmt.Errorf("listing the driver's resource definitions: %w", err)
	}
	for _, definition := range definitions {
		crds["/"+definition] = filepath.Join(r.chart, filepath.FromSlash(definition))
	}
	linux := values.Linux
	return []Image{
		{
			Name: linux.Image.name(), Base: r.rootPath(mountRoot()), Files: map[string]string{"/secrets-store-csi": r.driver.Path},
			Entrypoint: []string{"/secrets-store-csi"},
		},
		{Name: linux.CRDs.Image.name(), Files: crds, Entrypoint: []string{"/kubectl"}},
		{
			Name: linux.RegistrarImage.name(), Files: map[string]string{"/csi-node-driver-registrar": r.StandIns.Registrar},
			Entrypoint: []string{"/csi-node-driver-registrar"},
		},
		{
			Name: linux.LivenessProbeImage.name(), Files: map[string]string{"/livenessprobe": r.StandIns.LivenessProbe},
			Entrypoint: []string{"/livenessprobe"},
		},
	}, nil
}
