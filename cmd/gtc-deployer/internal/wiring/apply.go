package wiring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
)

// Vault is what Apply needs of one: *operator.Vault.
type Vault interface {
	Read(ctx context.Context, path string) (operator.Answer, error)
	Write(ctx context.Context, path string, body any) (operator.Answer, error)
}

// Did is what became of one thing in Vault.
type Did string

// What Apply can have done.
const (
	Kept    Did = "kept"    // it was as it must be
	Created Did = "created" // it was not there
	Mended  Did = "mended"  // it was there and differed
)

// Step is one thing that Vault must hold, and what Apply did about it.
type Step struct {
	What   string   // such as "policy gtc.prod.acme.sales"
	Did    Did      //
	Fields []string // what differed, sorted; only of what was mended
	Note   string   // what a reader should know besides; usually ""
}

// Result is what Apply did, in the order it was done.
type Result struct{ Steps []Step }

// Writes is how many requests changed Vault.
func (r Result) Writes() int {
	writes := 0
	for _, step := range r.Steps {
		if step.Did != Kept {
			writes++
		}
	}
	return writes
}

// Apply makes v hold what s says. Everything is read, and every fault found, before the first write; report is told of each step when it
// is done. A write that fails ends it: what is done stays, and the next run goes on from there.
func Apply(ctx context.Context, v Vault, s Spec, report func(Step)) (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}
	plan, err := s.plan(ctx, v)
	if err != nil {
		return Result{}, err
	}
	var result Result
	for _, change := range plan {
		if change.step.Did != Kept {
			if err := change.write(ctx, v); err != nil {
				return result, fmt.Errorf("writing %s: %w", change.step.What, err)
			}
		}
		if change.after != nil && change.step.Did == Created {
			if err := change.after(ctx, v); err != nil {
				return result, fmt.Errorf("writing %s: %w", change.step.What, err)
			}
		}
		result.Steps = append(result.Steps, change.step)
		report(change.step)
	}
	return result, nil
}

// change is one step with what is to be written for it.
type change struct {
	step    Step
	path    string
	body    map[string]any
	refused string                             // what to look at where Vault refuses it
	after   func(context.Context, Vault) error // what must hold after a creation before the next step; nil for nothing
}

func (c change) write(ctx context.Context, v Vault) error {
	_, err := v.Write(ctx, c.path, c.body)
	if c.refused != "" && errors.Is(err, operator.ErrRefused) {
		return fmt.Errorf("%w; %s", err, c.refused)
	}
	return err
}

// plan reads Vault and decides every step. All faults are reported at once, but for those that would only repeat themselves.
func (s Spec) plan(ctx context.Context, v Vault) ([]change, error) {
	var plan []change
	var faults []error
	for _, w := range s.wants() {
		c, err := w.decide(ctx, v)
		switch {
		case errors.Is(err, operator.ErrUnreachable), errors.Is(err, operator.ErrSealed), ctx.Err() != nil:
			return nil, fmt.Errorf("reading %s: %w", w.what, err)
		case err != nil:
			faults = append(faults, fmt.Errorf("reading %s: %w", w.what, err))
		}
		plan = append(plan, c)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return plan, nil
}

// kvReady is how long a fresh KV v2 mount may take until it answers.
const kvReady = 10 * time.Second

// awaitKV waits until a fresh KV v2 mount answers: Vault prepares it in the background and answers 400 until then.
func (s Spec) awaitKV(ctx context.Context, v Vault) error {
	ctx, cancel := context.WithTimeout(ctx, kvReady)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		answer, err := v.Read(ctx, s.Places.KVConfig())
		switch {
		case err == nil && answer.Found():
			return nil
		case err != nil && !errors.Is(err, operator.ErrRefused):
			return fmt.Errorf("waiting for it: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for it: %w: it does not answer yet; run the command again", operator.ErrBusy)
		case <-pause.C:
		}
	}
}
