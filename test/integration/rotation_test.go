package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestRotation changes two secrets fifty times, and a reader in the volume looks all the time: what it sees is one generation, never a mix of two,
// and never an older one than before.
func TestRotation(t *testing.T) {
	const rotations = 50
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		category := unique("rotation")
		secrets := []secretref.Reference{ref(t, env.sales, category, "user"), ref(t, env.sales, category, "password")}
		objects := ""
		for _, secret := range secrets {
			objects += fmt.Sprintf("- {ref: %q}\n", secret)
			w.put(t, secret, generation(0))
		}
		volume := w.mount(t, class{provider: "greentic", scope: env.sales, objects: objects})
		reading := watch(t, volume, secrets)
		for n := 1; n <= rotations; n++ {
			for _, secret := range secrets {
				w.put(t, secret, generation(n))
			}
			w.age(t, volume)
			require.NoError(t, volume.Publish(t.Context()))
			eventually(t, func() bool { return reading.last() >= n || reading.failed() }, fmt.Sprintf("the reader sees generation %d", n))
		}
		seen, err := reading.stop()
		require.NoError(t, err)
		assert.Equal(t, rotations+1, len(seen), "generations seen: %v", seen)
	})
}

// generation is a value that says which one it is, and is of another length than the one before.
func generation(n int) string { return strings.Repeat("x", 1+n%7) + " " + strconv.Itoa(n) }

// reader reads all of a volume's files again and again, as a worker that knows the driver's links does.
type reader struct {
	cancel context.CancelFunc
	done   chan struct{}
	latest chan int // holds the generation that was seen last
	seen   []int    // the generations, in order; to be read after done
	err    error    // likewise
}

func watch(t *testing.T, v *lab.Volume, secrets []secretref.Reference) *reader {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{cancel: cancel, done: make(chan struct{}), latest: make(chan int, 1)}
	r.latest <- -1
	go func() {
		defer close(r.done)
		for ctx.Err() == nil && r.err == nil {
			r.look(v, secrets)
		}
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// look reads one generation: the link to it is resolved once, and everything read below it.
func (r *reader) look(v *lab.Volume, secrets []secretref.Reference) {
	generation, err := readGeneration(v, secrets)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the driver removed this generation meanwhile: the next look resolves the link anew
		return
	case err != nil:
		r.err = err
		return
	}
	last := <-r.latest
	switch {
	case generation < last:
		r.err = fmt.Errorf("generation %d came after %d", generation, last)
	case generation > last:
		r.seen = append(r.seen, generation)
	}
	r.latest <- generation
}

func readGeneration(v *lab.Volume, secrets []secretref.Reference) (int, error) {
	link, err := os.Readlink(v.Path("..data"))
	if err != nil {
		return 0, err
	}
	var first string
	for i, secret := range secrets {
		content, err := os.ReadFile(v.Path(link, filepath.FromSlash(secret.Path())))
		if err != nil {
			return 0, err
		}
		if i == 0 {
			first = string(content)
		}
		if string(content) != first {
			return 0, fmt.Errorf("a mix of generations: %q and %q", first, content)
		}
	}
	_, number, _ := strings.Cut(first, " ")
	return strconv.Atoi(number)
}

func (r *reader) last() int {
	last := <-r.latest
	r.latest <- last
	return last
}

func (r *reader) failed() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *reader) stop() ([]int, error) {
	r.cancel()
	<-r.done
	return r.seen, r.err
}

// TestFailedRefreshKeepsTheFiles republishes a volume while Vault does not answer: the worker keeps what it has, and gets the new value once
// Vault is back.
func TestFailedRefreshKeepsTheFiles(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		secret := ref(t, env.sales, unique("refresh"), "token")
		w.put(t, secret, "old")
		volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)})

		w.put(t, secret, "new")
		front.replace(on("read", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()), "the driver masks errors of republishes")
		assert.Equal(t, map[string]string{secret.Path(): "old"}, contents(t, volume))

		front.replace(nil)
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()))
		assert.Equal(t, map[string]string{secret.Path(): "new"}, contents(t, volume))
	})
}

// TestRepublishWithinThePollInterval shows what rotationPollInterval 2m costs: a republish before its time does not reach the provider at all.
func TestRepublishWithinThePollInterval(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		secret := ref(t, env.sales, unique("republish"), "token")
		w.put(t, secret, "old")
		volume := w.mount(t, class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)})
		w.put(t, secret, "new")
		before := len(front.requests())
		require.NoError(t, volume.Publish(t.Context()))
		if w.poll.Load() == 0 {
			assert.Equal(t, map[string]string{secret.Path(): "new"}, contents(t, volume))
			return
		}
		assert.Len(t, front.requests(), before)
		assert.Equal(t, map[string]string{secret.Path(): "old"}, contents(t, volume))
	})
}
