// Command demo tells the product's story on real parts: a laptop's secret file becomes files in the tmpfs of the right workers' pods, and
// is nowhere else. It needs no Docker, no cluster and no Vault; the lab brings them. It ends with exit code 0 only if every step held.
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

	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func main() {
	var o options
	flag.StringVar(&o.programs, "programs", "../bin", "folder of the product's programs")
	flag.StringVar(&o.examples, "examples", "../examples", "folder of the examples")
	flag.Parse()
	o.reveal, o.keep = os.Getenv("REVEAL") == "1", os.Getenv("KEEP") == "1"
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // the search lists deprecated kinds too
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
	programs, examples string
	reveal             bool // print values
	keep               bool // leave everything up until Ctrl-C
}

// demo is what the steps hand on to each other.
type demo struct {
	options
	*narrator.Narrator
	lab      *lab.Lab
	secrets  []laptop.Secret
	past     []laptop.Secret // values that were rotated away
	devStore string          // the laptop's secret file
	provider *lab.Process
	workers  []*worker
}

// Run tells the story on out.
func Run(ctx context.Context, out io.Writer, o options) (err error) {
	for _, path := range []*string{&o.programs, &o.examples} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	d := &demo{options: o, Narrator: &narrator.Narrator{Out: out}}
	defer func() {
		if d.lab != nil {
			err = errors.Join(err, d.lab.Close())
		}
	}()
	if err := d.Tell(ctx,
		narrator.Step{Title: "The lab: real servers as plain processes", Do: d.startLab},
		narrator.Step{Title: "A laptop's secret file, as Greentic writes it", Do: d.writeDevStore},
		narrator.Step{Title: "Wire Vault: a role and a policy for each team", Do: d.wireVault},
		narrator.Step{Title: "Import the laptop's file into Vault", Do: d.importSecrets},
		narrator.Step{Title: "Render the example environment and apply it", Do: d.applyManifests},
		narrator.Step{Title: "Start the provider", Do: d.startProvider},
		narrator.Step{Title: "Start the workers' pods: the driver mounts their volumes", Do: d.mountVolumes},
		narrator.Step{Title: "Run each worker behind gtc-exec, as its pod says", Do: d.runWorkers},
		narrator.Step{Title: "Rotate a secret while a worker watches", Do: d.rotate},
		narrator.Step{Title: "A pod of one team claims the other team's scope", Do: d.claimForeignScope},
		narrator.Step{Title: "Search the cluster for the values", Do: d.searchCluster},
		narrator.Step{Title: "What was measured", Do: d.report},
	); err != nil {
		return err
	}
	if o.keep {
		d.lookAround()
		<-ctx.Done()
	}
	return nil
}
