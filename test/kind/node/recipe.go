package node

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/greenticai/gtc-csi-provider/test/internal/build"
	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
)

// edition is counted up when this package makes something else of the same ingredients.
const edition = 1

//go:embed files
var files embed.FS

// recipe is all that an image is made from.
type recipe struct {
	Options

	kubernetes, etcd, coredns, driver build.Built

	kindFiles string // kind's own files of a node
	chart     string // the driver's chart, which names its images
	suite     string // of the Debian packages
	images    []Image
	key       string
}

// newRecipe gathers the ingredients, and compiles those that are not compiled yet.
func newRecipe(ctx context.Context, o Options) (*recipe, error) {
	built, err := servers.Get(ctx, o.Progress, servers.Etcd(), servers.Driver(), servers.Kubernetes(), servers.CoreDNS())
	if err != nil {
		return nil, err
	}
	module, err := servers.Module(ctx)
	if err != nil {
		return nil, err
	}
	kind, err := servers.Source(ctx, module, "sigs.k8s.io/kind")
	if err != nil {
		return nil, err
	}
	r := &recipe{Options: o, etcd: built[0], driver: built[1], kubernetes: built[2], coredns: built[3]}
	r.kindFiles = filepath.Join(kind, "images", "base", "files")
	if r.chart, err = servers.DriverChart(ctx); err != nil {
		return nil, err
	}
	if r.suite, _, err = distribution("/"); err != nil {
		return nil, err
	}
	if r.images, err = r.allImages(ctx); err != nil {
		return nil, err
	}
	r.key, err = r.hash()
	return r, err
}

func (r *recipe) image() string { return "gtc-kind-node:" + r.key }

func (r *recipe) made() *Made { return &Made{EtcdTag: r.etcdTag(), DNSTag: r.coredns.Version} }

// etcdTag is spelled as the published images are.
func (r *recipe) etcdTag() string { return strings.TrimPrefix(r.etcd.Version, "v") + "-0" }

// hash is of every ingredient's name or content. A compiled server's folder is called after the hash of its own.
func (r *recipe) hash() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %q %v %v\n", edition, r.suite, nodeRoot(), mountRoot())
	for _, built := range []build.Built{r.kubernetes, r.etcd, r.coredns, r.driver} {
		fmt.Fprintln(sum, filepath.Base(filepath.Dir(built.Path)))
	}
	for _, image := range r.images {
		fmt.Fprintf(sum, "%q %q %t\n", image.Name, image.Entrypoint, image.Base != "")
	}
	for _, program := range []string{r.StandIns.Pause, r.StandIns.Crictl, r.StandIns.Registrar, r.StandIns.LivenessProbe} {
		content, err := os.Open(program)
		if err != nil {
			return "", fmt.Errorf("hashing a stand-in: %w", err)
		}
		_, err = io.Copy(sum, content)
		if err := content.Close(); err != nil {
			return "", fmt.Errorf("hashing a stand-in: %w", err)
		}
		if err != nil {
			return "", fmt.Errorf("hashing a stand-in: %w", err)
		}
	}
	for _, tree := range []fs.FS{files, os.DirFS(r.kindFiles), os.DirFS(r.chart)} {
		if err := hashTree(sum, tree); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:20], nil
}

func hashTree(sum hash.Hash, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		fmt.Fprintf(sum, "%q %d\n%s\n", path, len(content), content)
		return err
	})
}
