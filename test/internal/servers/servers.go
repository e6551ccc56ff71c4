// Package servers is the table of the pinned programs that the lab and the kind cluster run, each a Go module of its own, and the place where they
// stand once they are built.
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/internal/build"
)

const (
	kubernetes = "k8s.io/kubernetes/cmd/"
	driver     = "sigs.k8s.io/secrets-store-csi-driver"
	stamp      = " -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
)

// Etcd is the API server's store.
func Etcd() build.Server {
	return build.Server{
		Name: "etcd", Folder: "lab/servers/etcd", Module: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3", Cold: time.Minute,
	}
}

// APIServer is kube-apiserver alone, for a lab without a node.
func APIServer() build.Server {
	return build.Server{
		Name: "kubernetes", Folder: "lab/servers/kubernetes", Module: "k8s.io/kubernetes", Package: kubernetes + "kube-apiserver", Cold: 4 * time.Minute,
		VersionFlags: stamped("k8s.io/component-base/version"),
	}
}

// Kubernetes is all that a node needs, in one folder. kubeadm and kubectl read their own version from client-go.
func Kubernetes() build.Server {
	return build.Server{
		Name: "node", Folder: "lab/servers/kubernetes", Module: "k8s.io/kubernetes", Package: kubernetes + "kubeadm", Cold: 8 * time.Minute,
		More: []string{
			kubernetes + "kube-apiserver", kubernetes + "kube-controller-manager", kubernetes + "kube-proxy", kubernetes + "kube-scheduler",
			kubernetes + "kubectl", kubernetes + "kubelet",
		},
		VersionFlags: stamped("k8s.io/component-base/version") + " " + stamped("k8s.io/client-go/pkg/version"),
	}
}

// Vault is Vault's own core and the engines that the tests use.
func Vault() build.Server {
	return build.Server{Name: "vault", Folder: "lab/servers/vault", Module: "github.com/hashicorp/vault", Package: ".", Cold: 5 * time.Minute}
}

// Driver is the Secrets Store CSI driver, with its custom resource definitions beside it.
func Driver() build.Server {
	return build.Server{
		Name: "driver", Folder: "lab/servers/driver", Module: driver, Package: driver + "/cmd/secrets-store-csi-driver",
		VersionFlags: "-X " + driver + "/pkg/version.BuildVersion={version}", Assets: "charts/secrets-store-csi-driver/crds", Cold: 2 * time.Minute,
	}
}

// CoreDNS is the cluster's name server, with kubeadm's plugins only.
func CoreDNS() build.Server {
	return build.Server{Name: "coredns", Folder: "kind/servers/coredns", Module: "github.com/coredns/coredns", Package: ".", Cold: time.Minute}
}

// stamped are the linker flags that tell a program of Kubernetes its version, which its release's build tells it otherwise.
func stamped(pkg string) string {
	return strings.TrimSpace(strings.ReplaceAll(stamp, "{package}", pkg))
}

// Get returns the programs of these servers, in order. It compiles what the cache does not have yet and says on progress (nil: to nobody) how far it is.
func Get(ctx context.Context, progress io.Writer, wanted ...build.Server) ([]build.Built, error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	cache := build.Cache{Dir: dir, Progress: progress}
	if cache.Servers = os.Getenv("GTC_LAB_SERVERS"); cache.Servers == "" {
		if cache.Servers, err = Module(ctx); err != nil {
			return nil, err
		}
		return cache.Get(ctx, wanted...)
	}
	flat := make([]build.Server, len(wanted)) // the folder that the variable names holds the modules side by side
	for i, server := range wanted {
		flat[i], flat[i].Folder = server, filepath.Base(filepath.FromSlash(server.Folder))
	}
	return cache.Get(ctx, flat...)
}

// CacheDir is where built programs stand: the user's cache folder's gtc-csi-provider/lab, or the folder that GTC_LAB_CACHE names.
func CacheDir() (string, error) {
	if dir := os.Getenv("GTC_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder (GTC_LAB_CACHE names one): %w", err)
	}
	return filepath.Join(dir, "gtc-csi-provider", "lab"), nil
}

// Module is the folder of the test module, in which the servers' modules are: they cannot be embedded, since a go.mod ends a module's reach.
// A program built with -trimpath does not know its own source's place and asks the go command, which knows it in a checkout of the test module.
func Module(ctx context.Context) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		if dir := filepath.Join(filepath.Dir(file), "..", ".."); isDir(filepath.Join(dir, "lab", "servers")) {
			return dir, nil
		}
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/greenticai/gtc-csi-provider/test").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || !isDir(filepath.Join(dir, "lab", "servers")) {
		return "", fmt.Errorf("finding the servers' sources: run this in the folder test of a checkout, or name the lab's with GTC_LAB_SERVERS: %w",
			errors.Join(err, os.ErrNotExist))
	}
	return dir, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Source is the folder of a module that a go.mod in folder dir pins, as the go command keeps it.
func Source(ctx context.Context, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	source := strings.TrimSpace(string(out))
	if err != nil || source == "" {
		return "", fmt.Errorf("looking for the source of %s (go mod download %[1]s, in %s): %w", module, dir, errors.Join(err, os.ErrNotExist))
	}
	return source, nil
}

// DriverChart is the folder of the driver's own Helm chart, of the version that the lab runs.
func DriverChart(ctx context.Context) (string, error) {
	module, err := Module(ctx)
	if err != nil {
		return "", err
	}
	source, err := Source(ctx, filepath.Join(module, "lab", "servers", "driver"), driver)
	if err != nil {
		return "", err
	}
	return filepath.Join(source, "charts", "secrets-store-csi-driver"), nil
}
