package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestAFirstMountFailsAsVaultDoes(t *testing.T) {
	for _, err := range []error{errDown, errRefused, errAbsent} {
		simulated(t, func(n *node) {
			n.vault.change(func(d *double) { d.read = err })
			a, got := n.ask(n.visit("a"))
			require.ErrorIs(t, got, err)
			assert.NoError(t, a.Trouble, "no refresh has failed")
			assert.Zero(t, n.Totals())
		})
	}
}

func TestTheLastAnswerStandsInForAVaultThatDoesNotAnswer(t *testing.T) {
	for name, fail := range map[string]func(*double){
		"sealed when it is read": func(d *double) { d.read = errDown },
		"sealed at the login":    func(d *double) { d.login, d.lasts = errDown, 0 },
		"login refused":          func(d *double) { d.login = errLogin },
		"slow":                   func(d *double) { d.takes = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.vault.change(func(d *double) { d.lasts = time.Minute }) // a login is needed for each refresh
				n.want(n.visit("a"), "first", session.Read)
				time.Sleep(2 * interval)
				n.vault.change(func(d *double) { d.value = "second"; fail(d) })
				asked := time.Now()
				a := n.want(n.visit("a"), "first", session.Stale)
				assert.LessOrEqual(t, time.Since(asked), 10*time.Second)
				require.Error(t, a.Trouble)
				assert.True(t, a.Turned)
				assert.Equal(t, 1, n.Totals().Troubled)
				for range 20 {
					time.Sleep(poll)
					a = n.want(n.visit("a"), "first", session.Stale)
					assert.Error(t, a.Trouble)
					assert.False(t, a.Turned, "it was told")
				}
				n.vault.change(func(d *double) { d.login, d.read, d.takes = nil, nil, time.Millisecond })
				time.Sleep(poll)
				a = n.want(n.visit("a"), "second", session.Read)
				assert.True(t, a.Turned)
				require.NoError(t, a.Trouble)
				assert.Zero(t, n.Totals().Troubled)
			})
		})
	}
}

func TestTheLastAnswerStandsInForABoundedTime(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		n.vault.change(func(d *double) { d.read, d.login = errDown, errDown })
		began := time.Now()
		for {
			time.Sleep(poll)
			if _, err := n.ask(n.visit("a")); err != nil {
				require.ErrorIs(t, err, vault.ErrUnavailable)
				break
			}
		}
		assert.InDelta(t, time.Hour.Minutes(), time.Since(began).Minutes(), 2)
	})
	t.Run("not at all", func(t *testing.T) {
		simulated(t, func(n *node) {
			v := n.visit("a")
			v.Policy.MaxStale = 0
			n.want(v, "first", session.Read)
			n.vault.change(func(d *double) { d.read = errDown })
			time.Sleep(2 * interval)
			a, err := n.ask(v)
			require.ErrorIs(t, err, vault.ErrUnavailable)
			assert.True(t, a.Turned)
		})
	})
}

func TestARefusalWipesTheMemory(t *testing.T) {
	for name, refusal := range map[string]error{"403": errRefused, "404": errAbsent} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.want(n.visit("a"), "first", session.Read)
				n.vault.change(func(d *double) { d.read = refusal })
				time.Sleep(2 * interval)
				a, err := n.ask(n.visit("a"))
				require.ErrorIs(t, err, refusal)
				assert.ErrorIs(t, a.Trouble, refusal)
				assert.True(t, a.Turned)
				assert.Equal(t, session.Totals{Sessions: 1, Bytes: 0, Troubled: 1}, n.Totals())

				n.vault.change(func(d *double) { d.read = errDown })
				a, err = n.ask(n.visit("a"))
				require.ErrorIs(t, err, vault.ErrUnavailable, "nothing is left that could stand in")
				assert.False(t, a.Turned)

				n.vault.change(func(d *double) { d.read = nil })
				a = n.want(n.visit("a"), "first", session.Read)
				assert.True(t, a.Turned)
			})
		})
	}
}

func TestARefusalOfOneLeavesTheOthersTheirs(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		time.Sleep(2 * interval)
		n.vault.change(func(d *double) { d.refuse["a"] = errRefused })
		n.want(n.visit("b"), "first", session.Read)
		n.want(n.visit("a"), "first", session.Memory) // by b's read; a's own time has not come
		time.Sleep(2 * interval)
		_, err := n.ask(n.visit("a"))
		require.ErrorIs(t, err, vault.ErrPolicy)
		assert.Equal(t, len("first"), n.Totals().Bytes, "b's")
		n.vault.change(func(d *double) { d.read = errDown })
		n.want(n.visit("b"), "first", session.Stale)
		_, err = n.ask(n.visit("a"))
		require.ErrorIs(t, err, vault.ErrUnavailable)
	})
}

func TestWhatIsRefusedIsRemovedIfAsked(t *testing.T) {
	simulated(t, func(n *node) {
		removing := func() session.Visit {
			v := n.visit("a")
			v.Policy.RemoveRefused = true
			return v
		}
		n.want(removing(), "first", session.Read)
		n.vault.change(func(d *double) { d.refuse["a"] = errRefused })
		time.Sleep(2 * interval)
		a := n.want(removing(), "what is left", session.Removed)
		assert.ErrorIs(t, a.Trouble, vault.ErrPolicy)
		assert.True(t, a.Turned)
		before := n.vault.counts()
		time.Sleep(interval/10 - time.Second)
		a = n.want(removing(), "what is left", session.Memory)
		assert.Equal(t, before, n.vault.counts())
		n.want(n.visit("b"), "first", session.Read)

		time.Sleep(2 * interval)
		a = n.want(removing(), "what is left", session.Removed)
		assert.False(t, a.Turned)
		n.vault.change(func(d *double) { d.refuse = nil })
		time.Sleep(2 * interval)
		a = n.want(removing(), "first", session.Read)
		assert.True(t, a.Turned)
		assert.Equal(t, len("first"), n.Totals().Bytes)
	})
}

// TestASealedVaultIsNotHammered has 110 pods of their own badges refresh for an hour.
func TestASealedVaultIsNotHammered(t *testing.T) {
	simulated(t, func(n *node) {
		pods := make([]session.Visit, 110)
		for i := range pods {
			pods[i] = n.visit("p")
			pods[i].Request[0] = byte(i)
			n.want(pods[i], "first", session.Read)
		}
		n.vault.change(func(d *double) { d.read, d.login = errDown, errDown })
		before := n.vault.counts()
		for end := time.Now().Add(50 * time.Minute); time.Now().Before(end); {
			for i := range pods {
				_, err := n.ask(pods[i])
				require.NoError(t, err)
				time.Sleep(poll / 110)
			}
		}
		after := n.vault.counts()
		assert.Less(t, after[0]+after[1]-before[0]-before[1], 200, "4,400 republishes")

		n.vault.change(func(d *double) { d.read, d.login = nil, nil })
		time.Sleep(time.Minute)
		for i := range pods {
			_, err := n.ask(pods[i])
			require.NoError(t, err)
		}
		assert.Zero(t, n.Totals().Troubled)
	})
}

func TestAFirstMountWaitsForASparedVault(t *testing.T) {
	simulated(t, func(n *node) {
		n.vault.change(func(d *double) { d.login = errDown })
		for range 3 {
			_, err := n.ask(n.visit("a"))
			require.ErrorIs(t, err, vault.ErrUnavailable)
		}
		require.True(t, n.vault.broken.IsOpen())
		n.vault.change(func(d *double) { d.login = nil })
		began := time.Now()
		n.want(n.visit("a"), "first", session.Read)
		assert.Less(t, time.Since(began), 5*time.Second)
	})
}

// TestATokenThatIsRevokedBeforeItsFirstRead: Vault says that it does not know the token of this very mount's login. Another login decides, once.
func TestATokenThatIsRevokedBeforeItsFirstRead(t *testing.T) {
	for name, row := range map[string]struct {
		first, second error
		asked         [2]int // logins and reads
	}{
		"revoked":                 {errEnded, nil, [2]int{2, 2}},
		"revoked again":           {errEnded, errEnded, [2]int{2, 2}},
		"revoked, and no right":   {errEnded, errRefused, [2]int{2, 2}},
		"no right":                {errRefused, nil, [2]int{1, 1}},
		"revoked, and Vault down": {errEnded, errDown, [2]int{2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.vault.during = func(string) {
					n.vault.change(func(d *double) {
						if d.read = row.second; d.reads == 1 {
							d.read = row.first
						}
					})
				}
				_, err := n.ask(n.visit("a"))
				want := row.second
				if row.asked[1] == 1 {
					want = row.first
				}
				require.ErrorIs(t, err, want)
				assert.Equal(t, row.asked, n.vault.counts())
			})
		})
	}
}
