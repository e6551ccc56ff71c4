package vault_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

var errDown = fmt.Errorf("logging in: %w: connection refused", vault.ErrUnavailable)

// broken is a breaker after three failures.
func broken(t *testing.T) *vault.Breaker {
	t.Helper()
	var b vault.Breaker
	for range 3 {
		assert.False(t, b.IsOpen())
		leave, err := b.Enter(t.Context(), 0)
		require.NoError(t, err)
		leave(errDown)
	}
	assert.True(t, b.IsOpen())
	return &b
}

func TestABreakerCountsOnlyFailuresInARow(t *testing.T) {
	for name, between := range map[string]error{"success": nil, "a refusal, which is an answer": vault.ErrPolicy} {
		t.Run(name, func(t *testing.T) {
			var b vault.Breaker
			for range 5 {
				for _, err := range []error{errDown, errDown, between} {
					leave, refused := b.Enter(t.Context(), 0)
					require.NoError(t, refused)
					leave(err)
				}
			}
			assert.False(t, b.IsOpen())
		})
	}
	t.Run("a caller that gives up is none", func(t *testing.T) {
		var b vault.Breaker
		for range 5 {
			leave, err := b.Enter(t.Context(), 0)
			require.NoError(t, err)
			leave(fmt.Errorf("%w: %w", vault.ErrUnavailable, context.Canceled))
		}
		assert.False(t, b.IsOpen())
	})
}

func TestWhoHasNoPatienceIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broken(t)
		began := time.Now()
		_, err := b.Enter(t.Context(), 0)
		require.ErrorIs(t, err, vault.ErrUnavailable)
		assert.ErrorContains(t, err, "the last 3 attempts failed")
		assert.Zero(t, time.Since(began))
	})
}

func TestASparedVaultIsProbedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broken(t)
		var probes, on, let atomic.Int32
		var all sync.WaitGroup
		for range 110 {
			all.Go(func() {
				leave, err := b.Enter(t.Context(), 10*time.Second)
				if !assert.NoError(t, err) {
					return
				}
				if b.IsOpen() {
					probes.Add(1)
				}
				assert.LessOrEqual(t, on.Add(1), int32(110))
				time.Sleep(time.Second)
				on.Add(-1)
				let.Add(1)
				leave(nil)
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, probes.Load(), "one finds out, and the others go when it has")
		assert.EqualValues(t, 110, let.Load())
		assert.False(t, b.IsOpen())
	})
}

// TestAnHourWithoutVault has 110 pods ask every 75 s, each of whom would try: Vault sees a probe every half minute or so.
func TestAnHourWithoutVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broken(t)
		probes := 0
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(75 * time.Second / 110) {
			if leave, err := b.Enter(t.Context(), 0); err == nil {
				probes++
				leave(errDown)
			}
		}
		assert.InDelta(t, 120, probes, 40)
		assert.True(t, b.IsOpen())
	})
}

func TestAProbeWithoutAFindingIsNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broken(t)
		time.Sleep(time.Minute)
		leave, err := b.Enter(t.Context(), 0)
		require.NoError(t, err)
		_, err = b.Enter(t.Context(), 0)
		require.ErrorIs(t, err, vault.ErrUnavailable, "one at a time")
		leave(context.Canceled)
		leave, err = b.Enter(t.Context(), 0)
		require.NoError(t, err)
		leave(nil)
		assert.False(t, b.IsOpen())
	})
}
