package integration_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// told is the line in which the worker says that it has a value, without saying the value.
func told(name, value string) string {
	return fmt.Sprintf("%s sha256=%x bytes=%d\n", name, sha256.Sum256([]byte(value)), len(value))
}

// behind is gtc-exec before a program, on the node, with the volume in place of the pod's own.
func (w *world) behind(t *testing.T, v *lab.Volume, args ...string) *exec.Cmd {
	t.Helper()
	return w.Node().Command(t.Context(), w.program("gtc-exec"), append([]string{"run", "--volume", v.Target()}, args...)...)
}

// memory is a folder on the node that is in memory, as the pod's emptyDir for its dev-store is.
func (w *world) memory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(w.Dir(), unique("memory"))
	require.NoError(t, os.Mkdir(dir, 0o700))
	out, err := w.Node().Command(t.Context(), "mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// TestRenderedWorker starts what the deployer rendered for a worker's container, with a stand-in for the worker's own program: it finds its secrets in
// a dev-store, as it always did.
func TestRenderedWorker(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := wired(t, unique("worker"))
		w.greentic(t)
		w.put(t, ref(t, env.sales, "messaging-slack", "bot_token"), "xoxb-1")
		w.put(t, ref(t, env.sales, "messaging-slack", "signing_secret"), "8f")
		w.put(t, ref(t, env.sales, "configs", "region"), "eu")
		w.put(t, ref(t, env.sales.WholeTenant(), "openai", "api_key"), "sk-1")
		volume := w.workerVolume(t, env, env.sales)
		require.NoError(t, volume.Mount(t.Context()))

		container := env.deployment(t, env.sales).Spec.Template.Spec.Containers[0]
		command := container.Command
		require.Equal(t, []string{"/gtc/gtc-exec", "run"}, command[:2])
		end := slices.Index(command, "--")
		require.Positive(t, end)
		arguments := slices.Clone(command[2:end])
		path := slices.Index(arguments, "--dev-store") + 1
		require.Positive(t, path)
		arguments[path] = filepath.Join(w.memory(t), filepath.Base(arguments[path]))
		require.NotContains(t, arguments, "--volume", "the volume is where gtc-exec looks by itself")

		got := run(t, w.behind(t, volume, append(arguments, "--", w.program("worker"), "dev-store")...))
		assert.Equal(t, 0, got.code, got.stderr)
		assert.Equal(t, told("secrets://"+env.id+"/acme/_/openai/api_key", "sk-1")+
			told("secrets://"+env.id+"/acme/sales/configs/region", "eu")+
			told("secrets://"+env.id+"/acme/sales/messaging-slack/bot_token", "xoxb-1")+
			told("secrets://"+env.id+"/acme/sales/messaging-slack/signing_secret", "8f"), got.stdout)
	})
}

// TestWorkerVariables resolves references in a worker's variables.
func TestWorkerVariables(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	secret, absent := ref(t, env.sales, unique("variables"), "a"), ref(t, env.sales, unique("variables"), "b")
	w.put(t, secret, "a value")
	volume := w.mount(t, class{
		provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- {ref: %q, file: renamed}\n- {ref: %q, optional: true}\n", secret, absent),
	})
	got := run(t, w.behind(t, volume, "--secret", secret.String()+"=renamed", "--optional-secret", absent.String(),
		"--", w.program("worker"), "variables", "TOKEN", "PLAIN"), "TOKEN="+secret.String(), "PLAIN=plain")
	assert.Equal(t, 0, got.code, got.stderr)
	assert.Equal(t, told("PLAIN", "plain")+told("TOKEN", "a value"), got.stdout)
}
