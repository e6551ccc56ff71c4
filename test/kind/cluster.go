package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/greenticai/gtc-csi-provider/test/helm"
	"github.com/greenticai/gtc-csi-provider/test/internal/lockfile"
	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
	"github.com/greenticai/gtc-csi-provider/test/kind/node"
	"github.com/greenticai/gtc-csi-provider/test/kind/standin"
)

// DefaultName is the name of a cluster that was given none.
const DefaultName = "gtc"

// collectTime is what keeping the logs of a failed Up may take.
const collectTime = 2 * time.Minute

// Options say what a cluster is like. The zero value is a good cluster.
type Options struct {
	// Name of the cluster. Empty means DefaultName.
	Name string
	// Progress hears what is going on and how long it may take. Nil means nobody.
	Progress io.Writer
	// Keep leaves the cluster up when Down is called, and says how to look around and how to end it.
	Keep bool
	// Artifacts is the folder for the logs, events and descriptions of an Up that failed. Empty keeps none.
	Artifacts string
}

// Cluster is a running cluster.
type Cluster struct {
	options Options
	dir     string // of all that outlives a cluster
	engine  *engine.Engine
	rest    *rest.Config
	client  *kubernetes.Clientset
	unlock  func()

	collected  sync.Once
	collectErr error // set within collected
	down       sync.Once
	downErr    error // set within down
}

// Up brings a cluster up: when it returns without error, its node is ready, names resolve, Services work and pods get their ServiceAccount.
// What it has begun is ended again if it fails, unless Keep is set. The first Up on a machine that can pull nothing compiles and builds for about a quarter
// of an hour on two cores; a later one takes half a minute.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	c, err := newCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.up(ctx); err != nil {
		after := context.WithoutCancel(ctx)
		return nil, errors.Join(fmt.Errorf("bringing up the cluster %s: %w", c.options.Name, err), c.collectFailure(after), c.Down(after))
	}
	return c, nil
}

// Attach returns a cluster that an earlier Down has kept. Without one it fails; it starts nothing.
func Attach(ctx context.Context, o Options) (*Cluster, error) {
	c, err := newCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.attach(ctx); err != nil {
		c.unlock()
		return nil, fmt.Errorf("looking for the cluster %s: %w", c.options.Name, err)
	}
	return c, nil
}

// newCluster has the lock and nothing else.
func newCluster(ctx context.Context, o Options) (*Cluster, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	built, err := servers.CacheDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: o, dir: filepath.Join(filepath.Dir(built), "kind")}
	c.unlock, err = lockfile.Lock(ctx, filepath.Join(c.dir, "lock"), func() {
		progress.Say(o.Progress, "waiting for another process that has a cluster")
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for another process's cluster to end: %w", err)
	}
	return c, nil
}

// prepare opens an engine and finds or makes the node's image in it.
func (c *Cluster) prepare(ctx context.Context) (node.Node, error) {
	programs, err := standin.Build(ctx, filepath.Join(c.dir, "programs"))
	if err != nil {
		return node.Node{}, err
	}
	if c.engine, err = engine.Open(ctx, engine.Options{Dir: c.dir, Runtime: programs.Runtime, Progress: c.options.Progress}); err != nil {
		return node.Node{}, err
	}
	return node.Get(ctx, node.Options{Engine: c.engine, StandIns: programs, Dir: c.dir, Progress: c.options.Progress})
}

// Build compiles and builds all that an Up needs, so that the next takes half a minute. It creates no cluster.
func Build(ctx context.Context, o Options) (err error) {
	c, err := newCluster(ctx, o)
	if err != nil {
		return err
	}
	defer c.unlock()
	if _, err = c.prepare(ctx); c.engine != nil {
		err = errors.Join(err, c.engine.Close(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return err
	}
	stop := progress.Start(o.Progress, "building helm (about 5m the first time, cached after)", "building helm", "built helm")
	_, err = helm.Run(ctx, "version", "--short")
	stop(err)
	return err
}

func (c *Cluster) up(ctx context.Context) error {
	image, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	stop := progress.Start(c.options.Progress, "creating the cluster "+c.options.Name+" (about 30s)", "creating the cluster", "the cluster is ready")
	if err = c.create(ctx, image); err == nil {
		err = c.connect()
	}
	if err == nil {
		err = c.await(ctx, time.Time{})
	}
	stop(err)
	return err
}

func (c *Cluster) attach(ctx context.Context) (err error) {
	if c.engine, err = engine.Find(ctx, c.dir); err != nil {
		return err
	}
	if _, err := c.Docker(ctx, "container", "inspect", "--format", "{{.Id}}", c.Node().name); err != nil {
		return err
	}
	err = c.withKind(func(kind *cluster.Provider) error {
		return kind.ExportKubeConfig(c.options.Name, c.Kubeconfig(), false)
	})
	return errors.Join(err, c.connect())
}

// connect makes the clients.
func (c *Cluster) connect() (err error) {
	if c.rest, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig()); err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	c.rest.QPS, c.rest.Burst = 200, 400 // one test is not a crowd
	c.client, err = kubernetes.NewForConfig(c.rest)
	return err
}

// RestConfig is the connection of the cluster's administrator.
func (c *Cluster) RestConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Kubeconfig is the path of a kubeconfig file of the cluster's own, which only its owner can read. Down removes it.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, c.options.Name+".kubeconfig") }

// collectFailure keeps what there is to see of an Up that failed, the first time that it is called.
func (c *Cluster) collectFailure(ctx context.Context) error {
	if c.options.Artifacts == "" || c.engine == nil {
		return nil
	}
	c.collected.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, collectTime)
		defer cancel()
		c.collectErr = c.Collect(ctx, c.options.Artifacts)
	})
	return c.collectErr
}

// Down ends the cluster and a private engine with it, or keeps both if Options said so. A second call returns what the first did.
func (c *Cluster) Down(ctx context.Context) error {
	c.down.Do(func() { c.downErr = c.end(ctx) })
	return c.downErr
}

func (c *Cluster) end(ctx context.Context) error {
	defer c.unlock()
	if c.engine == nil {
		return nil
	}
	if c.options.Keep {
		progress.Say(c.options.Progress, "the cluster stays up. To look around:\n  export KUBECONFIG=%s", c.Kubeconfig())
		if c.engine.Private() {
			progress.Say(c.options.Progress, "  export DOCKER_HOST=%s", c.engine.Host())
		}
		progress.Say(c.options.Progress, "To end it, in the folder test:\n  go run ./kind/cmd/cluster -name %s down", c.options.Name)
		return c.engine.Keep()
	}
	err := c.withKind(func(kind *cluster.Provider) error { return kind.Delete(c.options.Name, c.Kubeconfig()) })
	if err := os.Remove(c.Kubeconfig()); err != nil && !errors.Is(err, os.ErrNotExist) {
		progress.Say(c.options.Progress, "the kubeconfig of the cluster that was stays: %v", err)
	}
	return errors.Join(err, c.engine.Close(ctx))
}
