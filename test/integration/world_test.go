package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	vaultapi "github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// world is what the tests share: a lab, the programs, and the environment "prod" with the provider "greentic".
type world struct {
	*lab.Lab
	programs string           // their folder
	vault    *vaultapi.Client // as root

	wiring sync.Mutex   // one operator at a time
	poll   atomic.Int64 // the driver's rotation poll interval
	prod   func() (*environment, error)
	shared func() (*provider, error)
}

var theWorld struct {
	once  sync.Once
	world *world
	err   error
}

// shared is the world, made by the first test that asks.
func shared(t *testing.T) *world {
	t.Helper()
	l := lab.Shared(t)
	theWorld.once.Do(func() { theWorld.world, theWorld.err = newWorld(t.Context(), l) })
	require.NoError(t, theWorld.err)
	return theWorld.world
}

func newWorld(ctx context.Context, l *lab.Lab) (*world, error) {
	w := &world{Lab: l, programs: filepath.Join(l.Dir(), "programs")}
	if err := os.Mkdir(w.programs, 0o755); err != nil {
		return nil, err
	}
	if err := buildPrograms(ctx, w.programs); err != nil {
		return nil, err
	}
	var err error
	if w.vault, err = l.VaultClient(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // what they make outlives the test that asks first
	w.prod = sync.OnceValues(func() (*environment, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return w.wire(ctx, "prod", kubernetesAuth)
	})
	w.shared = sync.OnceValues(func() (*provider, error) {
		p, err := w.newProvider("greentic", w.configOf())
		if err != nil {
			return nil, err
		}
		return p, p.launch(ctx)
	})
	return w, nil
}

func (w *world) program(name string) string { return filepath.Join(w.programs, name) }

// eachPoll runs a test with the driver at both poll intervals, the usual one and the one that the product asks for. It restarts the driver, so
// such a test is not parallel.
func eachPoll(t *testing.T, test func(t *testing.T, w *world)) {
	w := shared(t)
	for _, poll := range []time.Duration{2 * time.Minute, 0} {
		t.Run(fmt.Sprintf("poll=%s", poll), func(t *testing.T) {
			w.setPoll(t, poll)
			test(t, w)
		})
	}
	w.setPoll(t, 0)
}

func (w *world) setPoll(t *testing.T, poll time.Duration) {
	t.Helper()
	if w.poll.Swap(int64(poll)) != int64(poll) {
		require.NoError(t, w.RestartDriver(t.Context(), poll))
	}
}

// age makes the volume as old as the driver's poll interval, so that the next republish is due: the driver goes by the folder's time.
func (w *world) age(t *testing.T, v *lab.Volume) {
	t.Helper()
	before := time.Now().Add(-time.Duration(w.poll.Load()) - time.Second)
	require.NoError(t, os.Chtimes(v.Path(), before, before))
}

var names atomic.Int64

// unique is a name that no other object has.
func unique(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// soon is how long something may take that takes a moment.
const soon = time.Minute

// eventually waits until condition holds.
func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(soon); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, soon)
		}
	}
}
