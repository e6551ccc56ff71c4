// Package node provides the image of a kind node: the published one where it can be pulled, and otherwise one made of Debian packages and Go modules.
// On a private engine it is always made: a node there has no way out to pull what the published one does not hold.
//
// A made image holds what kind's own does (kind's files, Kubernetes, containerd, the control plane's images) and the images of the Secrets Store CSI
// driver's chart besides. It is called after the hash of all that it is made from, and stays in the engine until one with another hash is made.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
	"github.com/greenticai/gtc-csi-provider/test/kind/standin"
)

const (
	askTime  = 15 * time.Second // for a registry that may not be there
	pullTime = 15 * time.Minute // for one that is
)

// Options say how an image is found or made.
type Options struct {
	Engine   *engine.Engine
	StandIns standin.Programs
	// Dir keeps the Debian roots.
	Dir string
	// Progress hears what is being made. Nil means nobody.
	Progress io.Writer
}

// Node is an image of a node, in the engine.
type Node struct {
	// Image is its name.
	Image string
	// Made is nil for a published image, which brings its own network and the versions that kubeadm asks for.
	Made *Made
}

// Made is what the cluster's configuration must know of an image that was made here.
type Made struct {
	// EtcdTag and DNSTag are the tags of the images that stand for those that kubeadm would name.
	EtcdTag, DNSTag string
}

// Get returns the image that GTC_KIND_IMAGE names, or kind's published one if it is there or can be pulled, or the one that is made here.
func Get(ctx context.Context, o Options) (Node, error) {
	if name := os.Getenv("GTC_KIND_IMAGE"); name != "" {
		if present(ctx, o.Engine, name) {
			return Node{Image: name}, nil
		}
		return Node{Image: name}, pull(ctx, o, name)
	}
	if !o.Engine.Private() && present(ctx, o.Engine, defaults.Image) {
		return Node{Image: defaults.Image}, nil
	}
	recipe, err := newRecipe(ctx, o)
	if err != nil {
		return Node{}, err
	}
	node := Node{Image: recipe.image(), Made: recipe.made()}
	if present(ctx, o.Engine, node.Image) {
		return node, nil
	}
	if !o.Engine.Private() && published(ctx, o.Engine) {
		if err := pull(ctx, o, defaults.Image); err != nil {
			return Node{}, err
		}
		return Node{Image: defaults.Image}, nil
	}
	progress.Say(o.Progress, "no node image can be used as it is published: making one")
	if err := recipe.cook(ctx); err != nil {
		return Node{}, fmt.Errorf("making the node image: %w", err)
	}
	return node, nil
}

func present(ctx context.Context, e *engine.Engine, image string) bool {
	_, err := e.Docker(ctx, "image", "inspect", "--format", "{{.Id}}", image)
	return err == nil
}

// published asks once, and not for long.
func published(ctx context.Context, e *engine.Engine) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err := e.Docker(ctx, "manifest", "inspect", defaults.Image)
	return err == nil
}

func pull(ctx context.Context, o Options, image string) error {
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	stop := progress.Start(o.Progress, "pulling "+image+" (some 500 MB the first time)", "pulling "+image, "pulled "+image)
	_, err := o.Engine.Docker(ctx, "pull", "--quiet", image)
	stop(err)
	if err != nil {
		return fmt.Errorf("pulling the node image: %w", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}
