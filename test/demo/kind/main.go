// Command kind tells the demo's story on a real cluster: a laptop's secret file becomes files in the tmpfs of the right workers' pods, and is nowhere
// else. It brings up a kind cluster from nothing, pulls no image, and takes it down again. It ends with exit code 0 only if every step held.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", "..", "folder of the product's checkout, where `make image-content` has been run")
	flag.Parse()
	o.reveal, o.keep = os.Getenv("REVEAL") == "1", os.Getenv("KEEP") == "1"
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := Run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// options are what a person can choose.
type options struct {
	root   string
	reveal bool // print values
	keep   bool // leave the cluster up
}

// demo is what the steps hand on to each other.
type demo struct {
	options
	*narrator.Narrator
	stage   *stage.Stage
	secrets []laptop.Secret
	past    []laptop.Secret // values that were rotated away
	workers []worker
}

const (
	teardown = 2 * time.Minute // that taking the cluster down may take
	patience = 4 * time.Minute // that something may take which takes seconds on an idle machine, or a kubelet's next look at a volume
)

// Run tells the story on out.
func Run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	d := &demo{options: o, Narrator: &narrator.Narrator{Out: out}, secrets: laptop.Secrets()}
	defer func() {
		if d.stage != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardown)
			defer cancel()
			err = errors.Join(err, d.collect(ctx, err), d.stage.Down(ctx))
		}
	}()
	return d.Tell(ctx,
		narrator.Step{Title: "A real cluster: kind, the CSI driver and the product by their charts, Vault", Do: d.up},
		narrator.Step{Title: "A laptop's secret file, as Greentic writes it", Do: d.writeDevStore},
		narrator.Step{Title: "Wire Vault: a role and a policy for each team", Do: d.wireVault},
		narrator.Step{Title: "Import the laptop's file into Vault", Do: d.importSecrets},
		narrator.Step{Title: "Render the example environment and apply it", Do: d.applyManifests},
		narrator.Step{Title: "The workers of two teams run, and answer", Do: d.workersAnswer},
		narrator.Step{Title: "Rotate a secret while the worker runs", Do: d.rotate},
		narrator.Step{Title: "A pod of one team claims the other team's scope", Do: d.claimForeignScope},
		narrator.Step{Title: "Search the cluster and the node's disk for the values", Do: d.search},
		narrator.Step{Title: "What was measured", Do: func(context.Context) error { d.Measured(); return nil }},
	)
}

// artifacts is where logs, events and descriptions of a story go that did not hold.
func (d *demo) artifacts() string { return filepath.Join(d.root, "build", "demo-kind", "failed") }

func (d *demo) collect(ctx context.Context, failure error) error {
	if failure == nil || d.stage.Cluster == nil {
		return nil
	}
	fmt.Fprintf(d.Out, "\nlogs, events and descriptions are kept in %s\n", d.artifacts())
	return d.stage.Cluster.Collect(ctx, d.artifacts())
}

// up brings up what the end-to-end suites play on.
func (d *demo) up(ctx context.Context) (err error) {
	began := time.Now()
	d.stage, err = stage.Up(ctx, stage.Options{
		Name: "gtc-demo", Root: d.root, Dir: filepath.Join(d.root, "build", "demo-kind"), Artifacts: d.artifacts(), Progress: d, Keep: d.keep,
	})
	d.Measure("from nothing to a cluster with driver, Vault and chart: %s", narrator.Rounded(time.Since(began)))
	return err
}
