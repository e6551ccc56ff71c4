package lease_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestTheEndOfAPodRevokesWhatItHad(t *testing.T) {
	simulated(t, func(n *node) {
		ended, other := n.loan("w"), n.loan("other")
		wishes := wants(t, "db/a", "db/b", "pki/a")
		n.must(ended, n.vault.login(0), wishes)
		n.must(other, n.vault.login(1), wishes[:1])
		assert.Zero(t, n.End("uid-of-nobody"))
		assert.Equal(t, 1, n.End("uid-of-w"))
		synctest.Wait()
		assert.False(t, n.vault.works("db/a/1"))
		assert.False(t, n.vault.works("db/b/2"))
		assert.True(t, n.vault.works("db/a/4"), "another pod's")
		assert.Equal(t, 1, n.vault.count("revoke"), "the leases go with their token")
		assert.Equal(t, 2, n.happened(lease.Revoked))
		assert.Equal(t, lease.Totals{Leases: 1, Next: ttl}, n.Totals())
		assert.Zero(t, n.Stamp(ended.Holder, wishes))
		assert.Zero(t, n.End("uid-of-w"), "it is told once")
		time.Sleep(2 * ttl)
		assert.Zero(t, n.vault.count("renew db/b"))
		assert.Equal(t, 1, n.vault.count("revoke"))
	})
}

// TestAnEndThatVaultDoesNotHear is told again until it does, or until the token has ended by itself; and nothing is renewed meanwhile.
func TestAnEndThatVaultDoesNotHear(t *testing.T) {
	for name, row := range map[string]struct {
		err     error
		lasts   time.Duration // how long it fails
		revoked int
		left    int
		tries   int // at most
	}{
		"away for a while":                {fmt.Errorf("%w: sealed", vault.ErrUnavailable), 3 * time.Minute, 1, 0, 20},
		"away for longer than it matters": {fmt.Errorf("%w: sealed", vault.ErrUnavailable), 2 * period, 0, 1, 90},
		"the token has ended":             {fmt.Errorf("%w (403)", vault.ErrPolicy), time.Hour, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.must(n.loan("w"), n.vault.login(0), wants(t, "db/a"))
				n.vault.change(func(d *double) { d.err = row.err })
				require.Equal(t, 1, n.End("uid-of-w"))
				synctest.Wait()
				assert.Zero(t, n.Totals().Leases, "forgotten at once")
				time.Sleep(row.lasts)
				n.vault.change(func(d *double) { d.err = nil })
				time.Sleep(3 * time.Minute) // both the next try and the breaker's next probe may be half a minute away, and miss each other
				assert.Equal(t, row.revoked, n.happened(lease.Revoked))
				assert.Equal(t, row.left, n.happened(lease.Left))
				assert.GreaterOrEqual(t, n.vault.count("revoke"), 1)
				assert.LessOrEqual(t, n.vault.count("revoke"), row.tries)
				assert.Zero(t, n.vault.count("renew"))
				if row.revoked > 0 {
					assert.False(t, n.vault.works("db/a/1"))
				}
			})
		})
	}
}

// TestAnEndDuringAMount: what the mount makes is revoked after it.
func TestAnEndDuringAMount(t *testing.T) {
	simulated(t, func(n *node) {
		pause := make(chan struct{})
		n.vault.change(func(d *double) { d.pause = pause })
		made := make(chan error)
		go func() {
			made <- n.Obtain(context.Background(), n.loan("w"), n.vault.login(0), wants(t, "db/a"), func([]fetch.Found) error { return nil })
		}()
		synctest.Wait()
		assert.Equal(t, 1, n.End("uid-of-w"))
		synctest.Wait()
		assert.Zero(t, n.vault.count("revoke"))
		close(pause)
		require.NoError(t, <-made)
		synctest.Wait()
		assert.False(t, n.vault.works("db/a/1"))
		assert.Equal(t, 1, n.happened(lease.Revoked))
	})
}

// TestCloseGivesUpRevocations: the provider's own end waits for nothing.
func TestCloseGivesUpRevocations(t *testing.T) {
	simulated(t, func(n *node) {
		n.must(n.loan("w"), n.vault.login(0), wants(t, "db/a"))
		n.vault.change(func(d *double) { d.err = vault.ErrUnavailable })
		n.End("uid-of-w")
		time.Sleep(10 * time.Second)
		before := time.Now()
		n.Close()
		assert.Zero(t, time.Since(before))
		assert.Zero(t, n.happened(lease.Left)+n.happened(lease.Revoked))
	})
}
