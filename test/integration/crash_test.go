package integration_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestDriverKilledMidMount ends the driver while the provider fetches a pod's first secrets. What the driver leaves is a mount without files, for
// which it reports success from then on: the pod starts. gtc-exec holds the worker back, naming what is missing, until the files are there.
func TestDriverKilledMidMount(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		category := unique("killed")
		user, password := ref(t, env.sales, category, "user"), ref(t, env.sales, category, "password")
		w.put(t, user, "u")
		w.put(t, password, "p")
		c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q\n- ref: %q\n", user, password)}
		volume := w.pod(t, env.sales, c.apply(t, w))

		front.replace(on("read", hang))
		published := make(chan error, 1)
		go func() { published <- volume.Publish(t.Context()) }()
		eventually(t, func() bool { return len(front.requests()) >= 3 }, "the provider reads")
		w.KillDriver()
		require.False(t, lab.Final(<-published), "a kubelet would clean up")
		front.replace(on("read", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
		require.NoError(t, w.StartDriver(t.Context(), time.Duration(w.poll.Load())))

		require.NoError(t, volume.Publish(t.Context()), "driver 1.6 reports success here; if it does so no longer, DESIGN 4 can be simplified")
		mounted, err := volume.Mounted()
		require.NoError(t, err)
		assert.True(t, mounted)
		assert.Empty(t, contents(t, volume))

		marker := filepath.Join(w.Dir(), unique("started"))
		promises := []string{"--secret", user.String(), "--secret", password.String()}
		held := run(t, w.behind(t, volume, append(append([]string{"--wait", "300ms"}, promises...), "--", "touch", marker)...))
		assert.Equal(t, 69, held.code, held.stderr)
		for _, missing := range []string{user.String(), user.Path(), password.String(), password.Path()} {
			assert.Contains(t, held.stderr, missing)
		}
		assert.NoFileExists(t, marker, "the worker was started")

		done := make(chan result, 1)
		worker := w.behind(t, volume, append(append([]string{"--wait", "60s"}, promises...), "--", w.program("worker"), "files", volume.Target(), user.Path(), password.Path())...)
		go func() { done <- run(t, worker) }()
		front.replace(nil)
		w.age(t, volume)
		require.NoError(t, volume.Publish(t.Context()))
		got := <-done
		assert.Equal(t, 0, got.code, got.stderr)
		assert.Equal(t, told(password.Path(), "p")+told(user.Path(), "u"), got.stdout)
	})
}

// TestProviderKilledMidMount ends the provider while it fetches. The driver waits for a provider until the kubelet's time is over, so the mount goes
// through as soon as there is one again.
func TestProviderKilledMidMount(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		secret := ref(t, env.sales, unique("killed"), "token")
		w.put(t, secret, "a value")
		c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
		volume := w.pod(t, env.sales, c.apply(t, w))
		front.replace(on("read", hang))
		published := make(chan error, 1)
		go func() { published <- volume.Publish(t.Context()) }()
		eventually(t, func() bool { return len(front.requests()) >= 2 }, "the provider reads")
		provider.Kill()
		front.replace(nil)
		_, err := os.Stat(provider.socket)
		require.NoError(t, err, "a killed provider leaves its socket")
		provider.start(t)
		if err := <-published; err != nil { // the driver's own tries were over before the provider was there
			if !lab.Final(err) {
				w.age(t, volume)
			}
			require.NoError(t, volume.Mount(t.Context()))
		}
		assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
	})
}
