package kind

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
)

// Node is the cluster's one node, a container.
type Node struct {
	cluster *Cluster
	name    string
}

// Node returns the cluster's node.
func (c *Cluster) Node() Node { return Node{cluster: c, name: c.options.Name + "-control-plane"} }

// Name is the name of the node and of its container.
func (n Node) Name() string { return n.name }

// Exec runs a command as root in the node and returns what it prints. Its complaints are in the error.
func (n Node) Exec(ctx context.Context, argv ...string) ([]byte, error) {
	return n.cluster.Docker(ctx, append([]string{"exec", "--privileged", n.name}, argv...)...)
}

// Pipe is Exec for what is too long to be kept in memory: it goes to out as it comes.
func (n Node) Pipe(ctx context.Context, out io.Writer, argv ...string) error {
	return engine.Pipe(n.cluster.engine.Command(ctx, append([]string{"exec", "--privileged", n.name}, argv...)...), out)
}

// Restart restarts the node's container, as a machine restarts, and waits until the node is ready again.
func (n Node) Restart(ctx context.Context) error {
	begin := time.Now()
	if _, err := n.cluster.Docker(ctx, "restart", n.name); err != nil {
		return fmt.Errorf("restarting the node: %w", err)
	}
	return n.cluster.await(ctx, begin)
}

// IP is the node's address on the engine's network, which this machine reaches. It can change with a restart. It is empty if there is none.
func (n Node) IP() string {
	ctx, cancel := context.WithTimeout(context.Background(), oneLook)
	defer cancel()
	out, err := n.cluster.Docker(ctx, "container", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", n.name)
	if fields := strings.Fields(string(out)); err == nil && len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// Docker runs the docker command on the cluster's engine and returns what it prints. Its complaints are in the error.
func (c *Cluster) Docker(ctx context.Context, args ...string) ([]byte, error) {
	return c.engine.Docker(ctx, args...)
}

// BuildImage builds an image on the cluster's engine, of a Dockerfile that may need nothing but the context folder (FROM scratch), or what the
// engine has. An empty target builds the last stage.
func (c *Cluster) BuildImage(ctx context.Context, name, contextDir, dockerfile, target string) error {
	args := []string{"build", "--quiet", "--tag=" + name, "--file=" + dockerfile}
	if target != "" {
		args = append(args, "--target="+target)
	}
	if _, err := c.Docker(ctx, append(args, contextDir)...); err != nil {
		return fmt.Errorf("building image %s: %w", name, err)
	}
	return nil
}

// Load brings images of the cluster's engine into the node. A pod that names one must not say that it be pulled always.
func (c *Cluster) Load(ctx context.Context, images ...string) error {
	save := c.engine.Command(ctx, append([]string{"save"}, images...)...)
	archive, err := save.StdoutPipe()
	if err != nil {
		return fmt.Errorf("making a pipe for the images: %w", err)
	}
	var words strings.Builder
	save.Stderr = &words
	if err := save.Start(); err != nil {
		return fmt.Errorf("reading the images %s: %w", strings.Join(images, ", "), err)
	}
	load := c.engine.Command(ctx, "exec", "--interactive", c.Node().name, "ctr", "--namespace=k8s.io", "images", "import", "--digests", "-")
	load.Stdin = archive
	_, loadErr := engine.Output(load)
	if err := save.Wait(); err != nil {
		return fmt.Errorf("reading the images %s: %w\n%s", strings.Join(images, ", "), err, words.String())
	}
	if loadErr != nil {
		return fmt.Errorf("loading the images %s into the node: %w", strings.Join(images, ", "), loadErr)
	}
	return nil
}
