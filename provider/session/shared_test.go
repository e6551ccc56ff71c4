package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// together has all pods ask at once.
func (n *node) together(pods int, check func(pod int, a session.Answer, err error)) {
	var all sync.WaitGroup
	for i := range pods {
		all.Go(func() {
			a, err := n.ask(n.visit(fmt.Sprint("pod-", i)))
			check(i, a, err)
		})
	}
	all.Wait()
}

func TestReplicasThatStartAtOnceShareReads(t *testing.T) {
	simulated(t, func(n *node) {
		good := func(_ int, a session.Answer, err error) {
			if assert.NoError(t, err) {
				assert.Equal(t, "first", a.Bytes.RevealString())
			}
		}
		n.together(110, good)
		counts := n.vault.counts()
		assert.Equal(t, 110, counts[0], "each pod logs in for itself")
		assert.LessOrEqual(t, counts[1], 2)
		assert.Equal(t, session.Totals{Sessions: 110, Bytes: len("first")}, n.Totals())

		for range 3 { // three intervals, of which each replica has its own view by a tenth
			time.Sleep(interval * 12 / 10)
			n.together(110, good)
		}
		counts = n.vault.counts()
		assert.LessOrEqual(t, counts[1], 2+3)
	})
}

// TestAPodThatStartsAfterARotationHasTheNewValue writes, then starts a pod, while others start and refresh all the time.
func TestAPodThatStartsAfterARotationHasTheNewValue(t *testing.T) {
	simulated(t, func(n *node) {
		ctx, stop := context.WithCancel(n.t.Context())
		var load sync.WaitGroup
		for i := range 20 {
			load.Go(func() {
				for k := 0; ctx.Err() == nil; k++ {
					v := n.visit(fmt.Sprintf("load-%d-%d", i, k%7))
					v.Policy.Interval = 20 * time.Millisecond
					_, err := n.Answer(context.WithoutCancel(ctx), v)
					assert.NoError(t, err)
					time.Sleep(rand.N(5 * time.Millisecond))
				}
			})
		}
		for i := range 200 {
			time.Sleep(rand.N(20 * time.Millisecond))
			value := fmt.Sprint("generation ", i)
			n.vault.change(func(d *double) { d.value = value })
			a, err := n.ask(n.visit(fmt.Sprint("new-", i)))
			require.NoError(t, err)
			assert.Equal(t, value, a.Bytes.RevealString())
		}
		stop()
		load.Wait()
	})
}

func TestARefreshTakesWhatWasReadForAnother(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		time.Sleep(4 * time.Minute)
		n.vault.change(func(d *double) { d.value = "second" })
		n.want(n.visit("b"), "second", session.Read) // a first mount does not take the first's
		n.want(n.visit("a"), "second", session.Memory)
		assert.Equal(t, [2]int{2, 2}, n.vault.counts())
	})
}

func TestWhoGivesUpDoesNotFailOthers(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.change(func(d *double) { d.takes = time.Second })
		ctx, giveUp := context.WithTimeout(n.t.Context(), 1500*time.Millisecond)
		defer giveUp()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := n.Answer(ctx, n.visit("leader"))
			assert.ErrorIs(t, err, vault.ErrUnavailable)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		for i := range 5 {
			all.Go(func() { // is ready for the read after the leader has begun it
				v := n.visit(fmt.Sprint("joiner-", i))
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := n.ask(v)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		assert.Equal(t, 5, n.Totals().Sessions)
		assert.LessOrEqual(t, n.vault.counts()[1], 2)
	})
}

func TestAReadThatNobodyWaitsForEnds(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.change(func(d *double) { d.during = func(string) { d.change(func(d *double) { d.takes = time.Hour }) } })
		ctx, hangUp := context.WithCancel(n.t.Context())
		time.AfterFunc(time.Second, hangUp)
		began := time.Now()
		_, err := n.Answer(ctx, n.visit("a"))
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		assert.Equal(t, time.Second, time.Since(began))
		assert.Zero(t, n.Totals())
		assert.False(t, n.vault.broken.IsOpen())
	})
}

// TestAFirstMountHasItsOwnTime joins the read of a refresh, which gives up early because it has a last answer.
func TestAFirstMountHasItsOwnTime(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		time.Sleep(2 * interval)
		n.vault.change(func(d *double) { d.lasts = 0 })
		var all sync.WaitGroup
		all.Go(func() {
			n.vault.change(func(d *double) { d.takes = 15 * time.Second })
			n.want(n.visit("a"), "first", session.Stale)
		})
		all.Go(func() {
			v := n.visit("b")
			time.Sleep(time.Millisecond)
			n.want(v, "first", session.Read)
		})
		all.Wait()
	})
}

func TestOnePodsRefusalDecidesForNoOther(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.change(func(d *double) {
			d.takes = time.Second
			d.refuse["refused"] = errRefused
		})
		good := func(_ int, a session.Answer, err error) {
			if assert.NoError(t, err) {
				assert.Equal(t, "first", a.Bytes.RevealString())
			}
		}
		first := func(pod string) {
			var leading sync.WaitGroup
			leading.Go(func() {
				_, err := n.ask(n.visit(pod))
				assert.ErrorIs(t, err, vault.ErrPolicy)
			})
			time.Sleep(time.Millisecond) // so that the others find its read on its way
			n.together(10, good)
			leading.Wait()
		}
		first("refused")
		assert.Equal(t, 10, n.Totals().Sessions)

		n.vault.change(func(d *double) { delete(d.refuse, "refused") })
		_, err := n.ask(n.visit("refused later"))
		require.NoError(t, err)
		time.Sleep(2 * interval)
		n.vault.change(func(d *double) { d.refuse["refused later"] = errRefused })
		first("refused later") // a refresh, as are the others'
		assert.Equal(t, session.Totals{Sessions: 11, Bytes: len("first"), Troubled: 1}, n.Totals())
	})
}

// TestATokenThatVaultHasForgottenIsNoRefusal has a refresh with an old token refused: a new login decides.
func TestATokenThatVaultHasForgottenIsNoRefusal(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		time.Sleep(2 * interval)
		n.vault.change(func(d *double) {
			d.read = errRefused
			d.during = func(string) {
				d.change(func(d *double) {
					if d.logins == 2 {
						d.read = nil
					}
				})
			}
		})
		n.want(n.visit("a"), "first", session.Read)
		assert.Equal(t, [2]int{2, 3}, n.vault.counts())
	})
	t.Run("nor is a login that fails then anybody else's", func(t *testing.T) {
		simulated(t, func(n *node) {
			n.together(2, func(_ int, _ session.Answer, err error) { assert.NoError(t, err) })
			time.Sleep(2 * interval)
			n.vault.change(func(d *double) {
				d.refuse["pod-0"], d.barred["pod-0"], d.barred["pod-1"] = errRefused, errLogin, nil
			})
			n.together(2, func(pod int, a session.Answer, err error) {
				if assert.NoError(t, err) && pod == 0 && a.From == session.Stale {
					assert.ErrorIs(t, a.Trouble, vault.ErrLogin, "undecided: the last answer stands in")
				}
			})
		})
	})
}

func TestAPanicInAReadReachesWhoWaits(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.change(func(d *double) { d.during = func(string) { panic("a bug") } })
		assert.PanicsWithValue(t, "a bug", func() { _, _ = n.ask(n.visit("a")) })
		n.vault.change(func(d *double) { d.during = nil })
		n.want(n.visit("a"), "first", session.Read)
	})
}

func TestAnAnswerIsTheCallersOwn(t *testing.T) {
	simulated(t, func(n *node) {
		first := n.want(n.visit("a"), "first", session.Read)
		second := n.want(n.visit("a"), "first", session.Memory)
		first.Bytes.Wipe()
		copy(second.Bytes.Reveal(), "XXXXX")
		third := n.want(n.visit("a"), "first", session.Memory)
		n.Forget()
		assert.Equal(t, "first", third.Bytes.RevealString(), "what was answered is not wiped with the session")
		assert.False(t, third.Bytes.Equal(secret.Value{}))
	})
}
