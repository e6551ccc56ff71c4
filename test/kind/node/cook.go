package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
)

const (
	rootImage = "gtc-kind-root" // the Debian root; files/Dockerfile is made from it
	baseImage = "gtc-kind-base" // with all but the containers' images
	workshop  = "gtc-kind-workshop"
	readyTime = 30 * time.Second // for containerd in the workshop
)

// rootPath is the tar file of a Debian root. Its name changes with all that it is made from, but for what the distribution changes itself.
func (r *recipe) rootPath(which root) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %v", edition, r.suite, which))
	return filepath.Join(r.Dir, "roots", which.name+"-"+hex.EncodeToString(sum[:])[:20]+".tar")
}

// cook makes the image.
func (r *recipe) cook(ctx context.Context) error {
	for _, which := range []root{nodeRoot(), mountRoot()} {
		if _, err := os.Stat(r.rootPath(which)); err == nil {
			continue
		}
		if err := which.make(ctx, r.rootPath(which), r.Progress); err != nil {
			return err
		}
	}
	stop := progress.Start(r.Progress, "making the node image (about 1m the first time, kept after)", "making the node image", "made the node image")
	err := r.cookIn(ctx)
	stop(err)
	return err
}

func (r *recipe) cookIn(ctx context.Context) (err error) {
	work, err := os.MkdirTemp(r.Dir, "cooking-")
	if err != nil {
		return fmt.Errorf("making a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := r.context(filepath.Join(work, "context")); err != nil {
		return err
	}
	archive := filepath.Join(work, "images.tar")
	if err := writeArchive(archive, r.images); err != nil {
		return err
	}
	old, err := r.Engine.Docker(ctx, "images", "--quiet", "--no-trunc", "gtc-kind-node")
	if err != nil {
		return fmt.Errorf("looking for older node images: %w", err)
	}
	steps := [][]string{
		{"import", r.rootPath(nodeRoot()), rootImage},
		{"build", "--quiet", "--network=none", "--tag=" + baseImage, "--file=" + filepath.Join(work, "context", "Dockerfile"), filepath.Join(work, "context")},
	}
	for _, step := range steps {
		if _, err := r.Engine.Docker(ctx, step...); err != nil {
			return err
		}
	}
	if err := r.fill(ctx, archive); err != nil {
		return err
	}
	// What older images share with the new one stays; one that is in use stays whole, and goes the next time.
	for _, image := range append(strings.Fields(string(old)), rootImage, baseImage) {
		_, _ = r.Engine.Docker(ctx, "rmi", image)
	}
	return nil
}

// fill imports the containers' images in a container of the base image, and makes the node image of it.
func (r *recipe) fill(ctx context.Context, archive string) (err error) {
	_, _ = r.Engine.Docker(ctx, "rm", "-fv", workshop) // what a run that was killed has left
	if _, err := r.Engine.Docker(ctx, "run", "--detach", "--name="+workshop, "--network=none", "--security-opt=seccomp=unconfined",
		"--entrypoint=/usr/bin/containerd", baseImage); err != nil {
		return err
	}
	defer func() {
		_, removeErr := r.Engine.Docker(context.WithoutCancel(ctx), "rm", "-fv", workshop)
		err = errors.Join(err, removeErr)
	}()
	if err := r.awaitContainerd(ctx); err != nil {
		return err
	}
	images, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("reading the images' archive: %w", err)
	}
	defer images.Close()
	load := r.Engine.Command(ctx, "exec", "--interactive", workshop, "ctr", "--namespace=k8s.io", "images", "import", "--no-unpack", "-")
	load.Stdin = images
	if _, err := engine.Output(load); err != nil {
		return fmt.Errorf("importing the images: %w", err)
	}
	if _, err := r.Engine.Docker(ctx, "stop", workshop); err != nil {
		return err
	}
	_, err = r.Engine.Docker(ctx, "commit", "--change", `ENTRYPOINT ["/kind/hide-cgroups", "/usr/local/bin/entrypoint", "/sbin/init"]`, workshop, r.image())
	return err
}

func (r *recipe) awaitContainerd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		_, err := r.Engine.Docker(ctx, "exec", workshop, "ctr", "version")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := r.Engine.Docker(context.WithoutCancel(ctx), "logs", "--tail=20", workshop)
			return fmt.Errorf("waiting for containerd in the node image: %w: %w\n%s", context.Cause(ctx), err, log)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
