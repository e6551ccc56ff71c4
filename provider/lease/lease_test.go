package lease_test

import (
	"context"
	"errors"
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

const first = `{"id":"db/a/1"}`

func TestACredentialLivesAsLongAsThePodIsHeardOf(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "db/a", "kv/x", "db/a")
		assert.Zero(t, n.Stamp(l.Holder, wishes), "nothing is there yet")
		assert.Equal(t, []string{first, "", first}, n.must(l, n.vault.login(0), wishes), "made once for two objects; a value is somebody else's")
		stamp := n.Stamp(l.Holder, wishes)
		require.NotZero(t, stamp)
		for time.Since(l.Since) < 20*ttl { // past the first life, and past many lives of the token
			time.Sleep(poll)
			require.Equal(t, stamp, n.Stamp(l.Holder, wishes))
			n.Hear(l.Holder, wishes)
			require.True(t, n.vault.works("db/a/1"))
		}
		assert.Equal(t, []string{first, "", first}, n.must(l, n.vault.login(1), wishes), "the same bytes, also with a new token of the pod")
		assert.Equal(t, 1, n.vault.count("issue"))
		renewals := n.vault.count("renew db/a/1")
		assert.GreaterOrEqual(t, renewals, 29, "at two thirds of its life")
		assert.LessOrEqual(t, renewals, 34, "or at most a tenth of that before")
		assert.InDelta(t, 94, n.vault.count("renew the token"), 8)
		assert.Equal(t, 1, n.happened(lease.First))
		assert.Zero(t, n.happened(lease.Replaced))
		assert.Equal(t, 1, n.vault.count("revoke"), "the token that nothing hangs on")
	})
}

func TestACredentialIsReplacedWhereRenewalEnds(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "db/a")
		n.must(l, n.vault.login(0), wishes)
		var at time.Duration
		for n.Stamp(l.Holder, wishes) != 0 {
			time.Sleep(poll)
			n.Hear(l.Holder, wishes)
			at = time.Since(l.Since)
		}
		assert.Greater(t, at, longest-ttl, "renewal has gone on as long as Vault let it")
		assert.Less(t, at, longest)
		assert.True(t, n.vault.works("db/a/1"), "the worker has it until it reads its files again")
		assert.Equal(t, []string{`{"id":"db/a/2"}`}, n.must(l, n.vault.login(1), wishes))
		assert.True(t, n.vault.works("db/a/1"))
		assert.NotZero(t, n.Stamp(l.Holder, wishes))
		assert.Equal(t, 1, n.happened(lease.Replaced))
		before := n.vault.count("renew db/a/1")
		for range 60 {
			time.Sleep(poll)
			n.Hear(l.Holder, wishes)
		}
		assert.False(t, n.vault.works("db/a/1"), "it has ended by its age")
		assert.True(t, n.vault.works("db/a/2"))
		assert.Equal(t, before, n.vault.count("renew db/a/1"))
		assert.Zero(t, n.vault.count("revoke db"))
	})
}

func TestALeaseThatCannotBeRenewedIsReplacedInTime(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.fixed = true
		l, wishes := n.loan("w"), wants(t, "db/a")
		n.must(l, n.vault.login(0), wishes)
		for n.Stamp(l.Holder, wishes) != 0 {
			time.Sleep(time.Second)
			n.Hear(l.Holder, wishes)
		}
		assert.InDelta(t, 0.633, time.Since(l.Since).Seconds()/ttl.Seconds(), 0.035, "two thirds of its life, or a tenth of that before")
		assert.Zero(t, n.vault.count("renew db"))
	})
}

func TestACertificateIsReplacedByItsLife(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "pki/a", "pki/a")
		got := n.must(l, n.vault.login(0), wishes)
		assert.Equal(t, got[0], got[1], "key, certificate and chain are of one answer")
		assert.False(t, n.Owns(l.Holder, n.vault.login(0)), "nothing hangs on a token")
		for n.Stamp(l.Holder, wishes) != 0 {
			time.Sleep(poll)
			n.Hear(l.Holder, wishes)
		}
		assert.InDelta(t, 0.633, time.Since(l.Since).Seconds()/life.Seconds(), 0.035)
		assert.Equal(t, 1, n.vault.count("issue"))
		assert.Zero(t, n.vault.count("renew"))
		n.vault.login(4)
		next := n.must(l, n.batch, wishes)
		assert.NotEqual(t, got, next, "a batch token serves for a certificate")
		assert.Equal(t, 1, n.happened(lease.Replaced))
	})
}

func TestSilenceEndsTheRenewalAndRevokesNothing(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "db/a", "pki/a")
		n.must(l, n.vault.login(0), wishes)
		time.Sleep(silence - time.Minute)
		assert.Equal(t, lease.Totals{Leases: 1, Certificates: 1, Next: ttl - silence + time.Minute}, n.Totals())
		n.Hear(l.Holder, wishes[:1])
		time.Sleep(5 * time.Minute)
		assert.Equal(t, 1, n.Totals().Leases, "it has been heard of")
		assert.Zero(t, n.Totals().Certificates, "what the pod does not want any more is forgotten")
		time.Sleep(silence)
		assert.Equal(t, lease.Totals{}, n.Totals())
		assert.Zero(t, n.Stamp(l.Holder, wishes))
		assert.True(t, n.vault.works("db/a/1"), "a stopped kubelet takes nothing from a running pod")
		time.Sleep(ttl)
		assert.False(t, n.vault.works("db/a/1"), "what is not renewed ends by its age")
		assert.Zero(t, n.vault.count("revoke"))
		assert.Equal(t, 2, n.happened(lease.Silent))
	})
}

func TestCloseRevokesNothing(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "db/a")
		n.must(l, n.vault.login(0), wishes)
		n.Close()
		assert.True(t, n.vault.works("db/a/1"))
		assert.Zero(t, n.vault.count("revoke"))

		time.Sleep(time.Second)
		again := &node{t: t, vault: n.vault}
		again.Store = lease.New(again.told)
		defer again.Close()
		assert.Equal(t, []string{`{"id":"db/a/2"}`}, again.must(l, n.vault.login(1), wishes), "made again, once")
		again.must(l, n.vault.login(2), wishes)
		assert.Equal(t, 1, again.happened(lease.Restart), "the pod's token is older than the store")
		assert.Zero(t, again.happened(lease.First))
	})
}

func TestWhereTheTokenEndsItsLeasesAreReplaced(t *testing.T) {
	for name, row := range map[string]struct {
		how  func(*double)
		what lease.What
	}{
		"its longest life is near": {func(d *double) { d.tokens0 = time.Hour }, lease.Renewed},
		"somebody revoked it":      {func(d *double) { d.tokens[0].ends = time.Now() }, lease.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				l, wishes := n.loan("w"), wants(t, "db/a", "pki/a")
				n.must(l, n.vault.login(0), wishes)
				n.vault.change(row.how)
				for n.Stamp(l.Holder, wishes) != 0 {
					time.Sleep(poll)
					n.Hear(l.Holder, wishes)
				}
				assert.Less(t, time.Since(l.Since), time.Hour)
				n.vault.change(func(d *double) { d.tokens0 = 0 })
				got := n.must(l, n.vault.login(1), wishes)
				assert.Equal(t, `{"id":"db/a/3"}`, got[0])
				assert.Equal(t, 3, n.vault.made, "the certificate hangs on no token")
				assert.NotZero(t, n.Stamp(l.Holder, wishes))
				assert.Positive(t, n.happened(row.what))
				for range 60 {
					time.Sleep(poll)
					n.Hear(l.Holder, wishes)
				}
				assert.True(t, n.vault.works("db/a/3"), "renewed with the new token")
			})
		})
	}
}

// A token that was revoked a moment ago is found out by whoever asks with it first.
func TestAnEndedTokenGivesWayToTheCallers(t *testing.T) {
	simulated(t, func(n *node) {
		l := n.loan("w")
		n.must(l, n.vault.login(0), wants(t, "db/a"))
		n.vault.change(func(d *double) { d.tokens[0].ends = time.Now() })
		fresh := n.vault.login(1)
		assert.Equal(t, []string{`{"id":"db/b/2"}`}, n.must(l, fresh, wants(t, "db/b")))
		assert.True(t, n.Owns(l.Holder, fresh))
		assert.Zero(t, n.Stamp(l.Holder, wants(t, "db/a")), "what hung on the one before is replaced")
	})
}

func TestAMountThatFailsGivesBackWhatWasMade(t *testing.T) {
	bad := errors.New("the secret has no such field")
	fail := func([]fetch.Found) error { return bad }
	t.Run("the first of a pod", func(t *testing.T) {
		simulated(t, func(n *node) {
			l, fresh := n.loan("w"), n.vault.login(0)
			require.ErrorIs(t, n.Obtain(context.Background(), l, fresh, wants(t, "db/a"), fail), bad)
			assert.False(t, n.Owns(l.Holder, fresh), "whoever logged in gives it back, and with it all that hangs on it")
			assert.Equal(t, lease.Totals{}, n.Totals())
			assert.Equal(t, 1, n.happened(lease.Returned))
			assert.Zero(t, n.happened(lease.First))
		})
	})
	t.Run("a later one", func(t *testing.T) {
		simulated(t, func(n *node) {
			l := n.loan("w")
			n.must(l, n.vault.login(0), wants(t, "db/a"))
			require.ErrorIs(t, n.Obtain(context.Background(), l, n.vault.login(1), wants(t, "db/a", "db/b"), fail), bad)
			assert.False(t, n.vault.works("db/b/2"))
			assert.True(t, n.vault.works("db/a/1"), "what the pod has already stays")
			assert.NotZero(t, n.Stamp(l.Holder, wants(t, "db/a")))
			assert.Equal(t, 1, n.vault.count("revoke db/b/2"))
		})
	})
	t.Run("but a certificate serves the next try", func(t *testing.T) {
		simulated(t, func(n *node) {
			l, wishes := n.loan("w"), wants(t, "pki/a")
			for range 3 {
				require.ErrorIs(t, n.Obtain(context.Background(), l, n.vault.login(0), wishes, fail), bad)
			}
			n.must(l, n.vault.login(0), wishes)
			assert.Equal(t, 1, n.vault.made)
		})
	})
	t.Run("and all faults are told at once", func(t *testing.T) {
		simulated(t, func(n *node) {
			n.vault.refuse["db/a"] = fmt.Errorf("reading: %w", vault.ErrIssue)
			n.vault.refuse["db/b"] = fmt.Errorf("reading: %w", vault.ErrNotFound)
			wishes := wants(t, "db/a", "db/b", "db/c", "db/a")
			_, err := n.obtain(n.loan("w"), n.vault.login(0), wishes)
			require.ErrorIs(t, err, vault.ErrIssue)
			require.ErrorIs(t, err, vault.ErrNotFound)
			assert.ErrorContains(t, err, "objects[0]: reading")
			assert.ErrorContains(t, err, "objects[1]: reading")
			assert.ErrorContains(t, err, "objects[3]: reading")
			assert.Equal(t, 3, n.vault.count("issue"), "each once")
			n.vault.refuse["db/a"] = nil
			wishes[1].Optional = true
			assert.Equal(t, []string{`{"id":"db/a/2"}`, "", `{"id":"db/c/3"}`, `{"id":"db/a/2"}`}, n.must(n.loan("w"), n.vault.login(0), wishes))
			assert.NotZero(t, n.Stamp(n.loan("w").Holder, wishes), "what need not be there is not missing")
		})
	})
}

// The caller's time may end while Vault is asked. What it leaves is kept if leases hang on it, and given back if not.
func TestACallerThatLeaves(t *testing.T) {
	for name, err := range map[string]error{"and it works": nil, "and it fails": errors.New("too late")} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.vault.pause = make(chan struct{})
				l, fresh, done := n.loan("w"), n.vault.login(0), make(chan error)
				go func() {
					done <- n.Obtain(context.Background(), l, fresh, wants(t, "db/a"), func([]fetch.Found) error { return err })
				}()
				synctest.Wait()
				assert.True(t, n.Owns(l.Holder, fresh), "so nobody revokes it")
				assert.False(t, n.Owns(l.Holder, n.batch))
				close(n.vault.pause)
				require.ErrorIs(t, <-done, err)
				assert.Equal(t, err == nil, n.vault.works("db/a/1"))
				assert.Equal(t, err == nil, n.Owns(l.Holder, fresh))
			})
		})
	}
}

func TestTwoCallsForOnePodMakeOne(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.pause = make(chan struct{})
		l, done := n.loan("w"), make(chan []string)
		for i := range 2 {
			fresh := n.vault.login(i)
			go func() { done <- n.must(l, fresh, wants(t, "db/a")) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := n.Obtain(ctx, l, n.vault.login(2), wants(t, "db/a"), func([]fetch.Found) error { return nil })
		require.ErrorIs(t, err, vault.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(n.vault.pause)
		assert.Equal(t, <-done, <-done)
		assert.Equal(t, 1, n.vault.made)
		assert.Equal(t, 1, n.Totals().Leases)
	})
}

func TestABatchTokenCarriesNoLease(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.login(4)
		_, err := n.obtain(n.loan("w"), n.batch, wants(t, "db/a"))
		require.ErrorIs(t, err, vault.ErrBatch)
		assert.Zero(t, n.vault.count("issue"))
		assert.Equal(t, lease.Totals{}, n.Totals())
	})
}

func TestAPodHasOnlySoMany(t *testing.T) {
	simulated(t, func(n *node) {
		paths := make([]string, lease.MaxHeld+1)
		for i := range paths {
			paths[i] = fmt.Sprintf("pki/%d", i)
		}
		_, err := n.obtain(n.loan("w"), n.vault.login(0), wants(t, paths...))
		require.ErrorIs(t, err, fetch.ErrTooMuch)
		assert.ErrorContains(t, err, `objects[32]: "pki/32": the secrets are more than a mount may read: a pod has at most 32 leases`)
		assert.Equal(t, lease.MaxHeld, n.vault.made)
	})
}

func TestAVaultThatDoesNotAnswerRenewals(t *testing.T) {
	down := fmt.Errorf("renewing: %w: it is sealed (503)", vault.ErrUnavailable)
	t.Run("for a while", func(t *testing.T) {
		simulated(t, func(n *node) {
			l, wishes := n.loan("w"), wants(t, "db/a")
			n.must(l, n.vault.login(0), wishes)
			stamp := n.Stamp(l.Holder, wishes)
			time.Sleep(10 * time.Minute)
			n.Hear(l.Holder, wishes)
			n.vault.change(func(d *double) { d.err = down })
			time.Sleep(8 * time.Minute)
			n.Hear(l.Holder, wishes)
			assert.Positive(t, n.happened(lease.Failed))
			assert.Less(t, n.vault.count("renew"), 30, "not each second")
			n.vault.change(func(d *double) { d.err = nil })
			time.Sleep(8 * time.Minute)
			assert.True(t, n.vault.works("db/a/1"))
			assert.Equal(t, stamp, n.Stamp(l.Holder, wishes))
			assert.Zero(t, n.happened(lease.Lost))
		})
	})
	t.Run("until the token has ended", func(t *testing.T) {
		simulated(t, func(n *node) {
			l, wishes := n.loan("w"), wants(t, "db/a")
			n.must(l, n.vault.login(0), wishes)
			n.vault.change(func(d *double) { d.err = down })
			for n.Stamp(l.Holder, wishes) != 0 {
				time.Sleep(poll)
				n.Hear(l.Holder, wishes)
			}
			assert.InDelta(t, period.Seconds(), time.Since(l.Since).Seconds(), 2*poll.Seconds())
			assert.Equal(t, 1, n.happened(lease.Lost))
			n.vault.change(func(d *double) { d.err = nil })
			n.must(l, n.vault.login(1), wishes)
			assert.True(t, n.vault.works("db/a/2"))
		})
	})
}

func TestARenewalThatVaultRefuses(t *testing.T) {
	simulated(t, func(n *node) {
		l, wishes := n.loan("w"), wants(t, "db/a")
		n.must(l, n.vault.login(0), wishes)
		n.vault.change(func(d *double) { delete(d.leases, "db/a/1") }) // an operator has revoked it
		for n.Stamp(l.Holder, wishes) != 0 {
			time.Sleep(poll)
			n.Hear(l.Holder, wishes)
		}
		assert.Equal(t, 1, n.vault.count("renew db/a/1"), "it is not tried again")
		assert.Equal(t, 1, n.happened(lease.Lost))
		assert.Equal(t, []string{`{"id":"db/a/2"}`}, n.must(l, n.vault.login(1), wishes))
	})
}

func TestManyPodsAreRenewedApart(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.period = 1000 * time.Hour // one token for all: the tokens are not what is looked at
		shared := n.vault.login(0)
		wishes := wants(t, "db/a")
		loans := make([]lease.Loan, 110)
		for i := range loans {
			loans[i] = n.loan(fmt.Sprint("w", i))
			n.must(loans[i], shared, wishes)
		}
		time.Sleep(silence - time.Minute)
		for range 5 {
			for _, l := range loans {
				n.Hear(l.Holder, wishes)
			}
			time.Sleep(silence - time.Minute)
		}
		assert.GreaterOrEqual(t, n.vault.count("renew db/a"), 110)
		times := map[string]bool{}
		for _, l := range loans {
			entries := n.List(l.Holder.Pod.UID, "default")
			require.Len(t, entries, 1)
			times[fmt.Sprint(*entries[0].Renew)] = true
		}
		assert.Greater(t, len(times), 30, "not all at once")
	})
}

func TestTheListShowsNoValue(t *testing.T) {
	simulated(t, func(n *node) {
		l := n.loan("w")
		n.must(l, n.vault.login(0), wants(t, "pki/b", "db/a"))
		time.Sleep(time.Minute)
		entries := n.List("uid-of-w", "default")
		require.Len(t, entries, 2)
		assert.Equal(t, "db/a", entries[0].Path)
		assert.EqualValues(t, "lease", entries[0].Kind)
		assert.EqualValues(t, 60, entries[0].Age)
		assert.EqualValues(t, 59*60, entries[0].Ends)
		require.NotNil(t, entries[0].Renew)
		assert.Nil(t, entries[0].Replace)
		assert.Nil(t, entries[1].Renew)
		require.NotNil(t, entries[1].Replace)
		assert.Empty(t, n.List("uid-of-w", "second"))
		assert.Empty(t, n.List("uid-of-x", "default"))
	})
}
