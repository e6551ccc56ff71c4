package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/floor"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/program"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/stage"
)

// Options say what is measured, and how often. All numbers must be positive.
type Options struct {
	Programs string // folder of the product's programs
	JSON     string // file to write; "" for none
	Rounds   int
	Singles  int // pods mounted alone, in each round
	Crowds   int // batches of pods mounted at once, in each round
	Starts   int // of each server
}

// crowd is how many pods are mounted at once: what a node holds by default.
const crowd = 110

func (o Options) check() error {
	if o.Programs == "" {
		return errors.New("-programs is missing: make build leaves the product's programs in bin")
	}
	if o.Rounds < 1 || o.Singles < 1 || o.Crowds < 1 || o.Starts < 1 {
		return errors.New("-rounds, -singles, -crowds and -starts must be positive")
	}
	return nil
}

// bench is one run.
type bench struct {
	Options
	progress io.Writer
	load     string // before the run
	stage    *stage.Stage
	floor    floor.Vault
	commands commands
	provider *program.Process
	echo     *program.Process
	answer   int // bytes of the echo server's
	result   figures.Measurements
}

// Run measures everything, prints the table to out, and returns an error for each bar that was missed. Progress hears
// what takes long.
func Run(ctx context.Context, o Options, out, progress io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	began := load()
	s, err := stage.Set(ctx, o.Programs, crowd, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &bench{
		Options: o, progress: progress, stage: s,
		load:  began,
		floor: floor.Vault{Address: s.VaultAddress(), Client: floor.NewClient()},
	}
	if err := b.measure(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx) // what it broke on the way says nothing
		}
		return err
	}
	return errors.Join(b.report(out), b.result.Err())
}

func (b *bench) measure(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.measureStarts(ctx); err != nil {
		return err
	}
	var err error
	if b.provider, err = program.Start(ctx, b.commands.provider); err != nil {
		return err
	}
	defer func() { b.provider.Kill() }()
	if err := b.startEcho(ctx); err != nil {
		return err
	}
	defer b.echo.Kill()
	if err := b.measureMounts(ctx); err != nil {
		return err
	}
	if err := b.measureSessions(ctx); err != nil {
		return err
	}
	return b.measureHeld(ctx)
}

func (b *bench) report(out io.Writer) error {
	r := figures.Report{
		Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Go: runtime.Version(), Versions: b.stage.Versions(),
		Load: b.load, Rounds: b.Rounds, Conditions: conditions, Measurements: b.result,
	}
	if err := r.WriteTable(out); err != nil || b.JSON == "" {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.JSON), 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	file, err := os.Create(b.JSON)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return errors.Join(r.WriteJSON(file), file.Close())
}

// conditions are what a reader must know of the figures.
var conditions = []string{
	"Cold: every mount is a pod's first, with a token that neither Vault nor the API server has seen; no two pods of a batch read the same secret.",
	"Connections to Vault are equally warm on both sides: each has mounted one batch before the first round, and keeps its connections.",
	"By turns: floor and provider follow each other in every round, and the one that goes first changes from time to time.",
	"Refreshes: every pod has logged in before, on both sides, and no two pods of a batch read the same secret.",
	"Clock: from the first request of a batch to the last answer, by one process that also runs the floor.",
}

// load is the machine's load average of the last minute (proc(5)): how much else it has to do.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // nothing is said where there is none
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func mountClient(p *program.Process) v1alpha1.CSIDriverProviderClient {
	return v1alpha1.NewCSIDriverProviderClient(p.Conn())
}
