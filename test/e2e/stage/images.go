package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
)

// Images are what the stage loads into the node. Each tag is made from the content, so that a cluster which was left up rolls out what changed
// and nothing else.
type Images struct {
	Provider, Deployer string // the product's, from its own Dockerfile
	Tag                string // of these two
	Worker             string // the stand-in for Greentic's worker
	Init               string // the stand-in for an image with a shell
	Vault              string // the lab's Vault
}

// Where programs stand in the images.
const (
	WorkerCommand = "/usr/local/bin/worker"
	providerImage = "ghcr.io/greenticai/gtc-csi-provider"
	deployerImage = "ghcr.io/greenticai/gtc-deployer"
)

// programs is where `make image-content` leaves what the product's images hold, for this machine: their context.
func (s *Stage) programs() string { return filepath.Join(s.Root, "build", "image", runtime.GOARCH) }

func (s *Stage) program(name string) string { return filepath.Join(s.programs(), name) }

func (s *Stage) images(ctx context.Context) error {
	if err := s.productImages(ctx); err != nil {
		return err
	}
	vault, err := servers.Get(ctx, s.Progress, servers.Vault())
	if err != nil {
		return err
	}
	worker, err := s.compile(ctx, filepath.Join(s.Root, "test"), "./worker", "worker")
	if err != nil {
		return err
	}
	shell, err := s.compile(ctx, filepath.Join(s.Root, "test", "e2e", "initshell"), ".", "sh")
	if err != nil {
		return err
	}
	for _, image := range []struct {
		name          *string
		repository    string
		program, path string
	}{
		{&s.Images.Vault, "gtc-e2e/vault", vault[0].Path, "/usr/local/bin/vault"},
		{&s.Images.Worker, "gtc-e2e/worker", worker, WorkerCommand},
		{&s.Images.Init, "gtc-e2e/init", shell, "/bin/sh"},
	} {
		if *image.name, err = s.scratchImage(ctx, image.repository, image.program, image.path); err != nil {
			return err
		}
	}
	return s.Cluster.Load(ctx, s.Images.Provider, s.Images.Deployer, s.Images.Worker, s.Images.Init, s.Images.Vault)
}

// productImages makes the product's images as they ship, from the programs that `make image` made.
func (s *Stage) productImages(ctx context.Context) (err error) {
	s.Images.Tag, err = digest(s.program("gtc-csi-provider"), s.program("gtc-exec"), s.program("gtc-deployer"), filepath.Join(s.Root, "Dockerfile"))
	if err != nil {
		return fmt.Errorf("the product's programs are made by `make image-content`: %w", err)
	}
	s.Images.Provider, s.Images.Deployer = providerImage+":"+s.Images.Tag, deployerImage+":"+s.Images.Tag
	for image, target := range map[string]string{s.Images.Provider: "provider", s.Images.Deployer: "deployer"} {
		if err := s.Cluster.BuildImage(ctx, image, s.programs(), filepath.Join(s.Root, "Dockerfile"), target); err != nil {
			return err
		}
	}
	return nil
}

// compile builds a static program into the stage's folder.
func (s *Stage) compile(ctx context.Context, module, pkg, name string) (string, error) {
	path := filepath.Join(s.Dir, "programs", name)
	command := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", path, pkg)
	command.Dir = module
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// scratchImage makes an image that holds one static program and nothing else.
func (s *Stage) scratchImage(ctx context.Context, repository, program, path string) (string, error) {
	tag, err := digest(program)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(s.Dir, "images", filepath.Base(repository))
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(folder, "program"), content, 0o755); err != nil {
		return "", err
	}
	dockerfile := filepath.Join(folder, "Dockerfile")
	text := fmt.Sprintf("FROM scratch\nCOPY program %s\nENV PATH=%s\nENTRYPOINT [%q]\n", path, filepath.Dir(path), path)
	if err := os.WriteFile(dockerfile, []byte(text), 0o600); err != nil {
		return "", err
	}
	name := repository + ":" + tag
	return name, s.Cluster.BuildImage(ctx, name, folder, dockerfile, "")
}

// digest is a tag for the content of files.
func digest(files ...string) (string, error) {
	sum := sha256.New()
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, file)
		_ = file.Close() // it was only read
		if err != nil {
			return "", err
		}
	}
	return "e2e-" + hex.EncodeToString(sum.Sum(nil))[:12], nil
}
