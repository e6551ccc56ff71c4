package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestVaultSealed seals the real Vault during a pod's start. The kubelet's tries go on until it is unsealed.
func TestVaultSealed(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		w.outage(t, codes.FailedPrecondition, "it is sealed (503)", w.SealVault, w.UnsealVault)
	})
}

// TestVaultDown ends the real Vault during a pod's start.
func TestVaultDown(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		w.outage(t, codes.FailedPrecondition, "connection refused", w.StopVault, w.StartVault)
	})
}

// outage mounts a volume while Vault is away: the first try fails, and the kubelet's next ones succeed when it is back.
func (w *world) outage(t *testing.T, code codes.Code, says string, begin, end func(context.Context) error) {
	_, env := production(t)
	w.greentic(t)
	secret := ref(t, env.sales, unique("outage"), "token")
	w.put(t, secret, "a value")
	c := class{provider: "greentic", scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	volume := w.pod(t, env.sales, c.apply(t, w))

	require.NoError(t, begin(t.Context()))
	over := false
	stop := func() {
		if !over {
			over = true
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			defer cancel()
			require.NoError(t, end(ctx))
		}
	}
	t.Cleanup(stop)
	requireRefused(t, volume.Publish(t.Context()), code, says, "check that Vault runs, is unsealed and can be reached from the node")
	requireNothing(t, volume)
	mounted := make(chan error, 1)
	go func() { mounted <- volume.Mount(t.Context()) }()
	stop()
	require.NoError(t, <-mounted)
	assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
}

// TestAPIServerDownDuringLogin takes the API server away before Vault asks it who a token is. Vault answers that like a foreign token's login; the
// text names every cause, and the next try succeeds.
func TestAPIServerDownDuringLogin(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		w.greentic(t)
		provider, err := w.shared()
		require.NoError(t, err)
		secret := ref(t, env.sales, unique("apiserver"), "token")
		w.put(t, secret, "a value")
		c := class{provider: "greentic", scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
		volume := w.pod(t, env.sales, c.apply(t, w))
		request := w.own(t, volume, c)

		w.StopAPIServer()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			defer cancel()
			require.NoError(t, w.StartAPIServer(ctx))
		})
		_, err = provider.client(t).Mount(t.Context(), request)
		requireRefused(t, err, codes.Unauthenticated, "logging in", "Kubernetes API")

		require.NoError(t, w.StartAPIServer(t.Context()))
		require.NoError(t, w.SyncDriver(t.Context()))
		require.NoError(t, volume.Mount(t.Context()))
		assert.Equal(t, map[string]string{secret.Path(): "a value"}, contents(t, volume))
	})
}

// TestLoginOfAnEndedPod shows Vault the token of a pod that is no more.
func TestLoginOfAnEndedPod(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	c := class{scope: env.sales, objects: "- ref: secret://prod/acme/sales/a/b"}
	volume := w.pod(t, env.sales, "class")
	request := w.own(t, volume, c)
	require.NoError(t, w.Kubelet().DeletePod(t.Context(), volume.Pod()))
	client := provider.client(t)
	eventually(t, func() bool { // the API server takes the token until its cache has forgotten the pod
		_, err := client.Mount(t.Context(), request)
		return status.Code(err) == codes.Unauthenticated
	}, "the ended pod's login refused")
}
