package lab

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

	"github.com/greenticai/gtc-csi-provider/test/lab/internal/build"
)

// servers are the lab's programs. What they are pinned to stands in servers/<name>/go.mod.
var servers = [...]build.Server{
	{Name: "etcd", Module: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3", Cold: time.Minute},
	{
		Name: "kubernetes", Module: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/kube-apiserver", Cold: 4 * time.Minute,
		VersionFlags: "-X k8s.io/component-base/version.gitVersion={version}" +
			" -X k8s.io/component-base/version.gitMajor={major} -X k8s.io/component-base/version.gitMinor={minor}",
	},
	{Name: "vault", Module: "github.com/hashicorp/vault", Package: ".", Cold: 5 * time.Minute},
	{
		Name: "driver", Module: "sigs.k8s.io/secrets-store-csi-driver", Package: "sigs.k8s.io/secrets-store-csi-driver/cmd/secrets-store-csi-driver",
		VersionFlags: "-X sigs.k8s.io/secrets-store-csi-driver/pkg/version.BuildVersion={version}",
		Assets:       "charts/secrets-store-csi-driver/crds", Cold: 2 * time.Minute,
	},
}

// programs are the servers, built.
type programs struct{ etcd, apiserver, vault, driver build.Built }

// Versions are the pinned versions of the lab's servers.
type Versions struct{ Etcd, Kubernetes, Vault, Driver string }

// Build compiles what the cache does not have yet, one server at a time, and says on progress (nil: to nobody) how far it is.
// A first build of all takes about twelve minutes on two cores; a later call takes milliseconds.
// The cache is the user's cache folder's gtc-csi-provider/lab, or the folder that GTC_LAB_CACHE names.
func Build(ctx context.Context, progress io.Writer) (Versions, error) {
	p, err := buildPrograms(ctx, progress)
	return p.versions(), err
}

func (p programs) versions() Versions {
	return Versions{Etcd: p.etcd.Version, Kubernetes: p.apiserver.Version, Vault: p.vault.Version, Driver: p.driver.Version}
}

func buildPrograms(ctx context.Context, progress io.Writer) (programs, error) {
	dir, err := cacheDir()
	if err != nil {
		return programs{}, err
	}
	sources, err := sourcesDir(ctx)
	if err != nil {
		return programs{}, err
	}
	built, err := build.Cache{Dir: dir, Servers: sources, Progress: progress}.Get(ctx, servers[:]...)
	if err != nil {
		return programs{}, fmt.Errorf("building the lab's servers: %w", err)
	}
	return programs{etcd: built[0], apiserver: built[1], vault: built[2], driver: built[3]}, nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv("GTC_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder (GTC_LAB_CACHE names one): %w", err)
	}
	return filepath.Join(dir, "gtc-csi-provider", "lab"), nil
}

// sourcesDir finds the servers' modules: they cannot be embedded, since a go.mod ends a module's reach. A program built with -trimpath
// does not know its own source's place and asks the go command, which knows it in a checkout of the test module.
func sourcesDir(ctx context.Context) (string, error) {
	if dir := os.Getenv("GTC_LAB_SERVERS"); dir != "" {
		return filepath.Abs(dir)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		if dir := filepath.Join(filepath.Dir(file), "servers"); isDir(dir) {
			return dir, nil
		}
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/greenticai/gtc-csi-provider/test/lab").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "servers")
	if err != nil || !isDir(dir) {
		return "", fmt.Errorf("finding the servers' sources: run this in the folder test of a checkout, or name them with GTC_LAB_SERVERS: %w", errors.Join(err, os.ErrNotExist))
	}
	return dir, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
