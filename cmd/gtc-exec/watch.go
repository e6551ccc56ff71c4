//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/devstore"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/process"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
)

// watchEvery is how long a rotation stands in the volume before it is seen; the driver needs a minute and more to bring it there.
const watchEvery = time.Second

// rotation hands changed secrets on to the running program.
type rotation struct {
	run      prepared
	key      string // what the running program takes the dev-store's key for; "" without a dev-store
	signals  *process.Signals
	environs chan<- []string
	stderr   io.Writer
}

// watch begins to do what --watch says. snapshot is what the program is started with, filled are its variables. stop ends it and waits
// for that.
func (p prepared) watch(
	ctx context.Context, snapshot volume.Snapshot, filled []string, signals *process.Signals, stderr io.Writer,
) (restarts process.Restarts, stop func()) {
	if (p.args.watch == watchMode{}) {
		return process.Restarts{}, func() {}
	}
	environs := make(chan []string)
	r := rotation{run: p, signals: signals, environs: environs, stderr: stderr}
	if p.place != nil {
		r.key = lookup(filled, devstore.KeyVariable)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := volume.Watch{
		Folder: p.args.volume, Promises: p.args.promises, Every: watchEvery,
		Changed: func(s volume.Snapshot) error { return r.hand(ctx, s) },
		Failed: func(err error) {
			fmt.Fprintf(stderr, "gtc-exec: the volume's secrets changed and are not handed on, the program keeps what it has:\n%s\n", indent(err))
		},
	}
	last := snapshot.Digest()
	var watching sync.WaitGroup
	watching.Go(func() { w.Run(ctx, last) })
	return process.Restarts{Environs: environs, Grace: p.args.grace}, func() {
		cancel()
		watching.Wait()
	}
}

// hand does with changed secrets what --watch says. The program hears of them last: an error means that it keeps what it has.
func (r rotation) hand(ctx context.Context, snapshot volume.Snapshot) error {
	switch mode := r.run.args.watch; {
	case mode.restart:
		return r.restart(ctx, snapshot)
	case mode.signal != 0:
		if err := r.rewrite(snapshot); err != nil {
			return err
		}
		if err := r.signals.Send(ctx, mode.signal); err != nil {
			return err
		}
		r.say(fmt.Sprintf("sent the program signal %d (%s)", int(mode.signal), mode.signal))
	default:
		if err := r.rewrite(snapshot); err != nil {
			return err
		}
		r.say("rewrote the dev-store")
	}
	return nil
}

// rewrite writes the dev-store, if there is one, for the program as it runs: with the key among its variables, which stay as they are
// though the key may itself be a secret that has changed.
func (r rotation) rewrite(snapshot volume.Snapshot) error {
	if r.run.place == nil {
		return nil
	}
	return r.run.place.Write(r.run.args.promises, snapshot, r.key)
}

func (r rotation) restart(ctx context.Context, snapshot volume.Snapshot) error {
	filled, err := r.run.hand(snapshot)
	if err != nil {
		return err
	}
	select {
	case r.environs <- filled:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.say("restarting the program")
	return nil
}

func (r rotation) say(done string) {
	fmt.Fprintf(r.stderr, "gtc-exec: the volume's secrets changed: %s\n", done)
}
