package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestAnUnchangedRepublishAsksNothing(t *testing.T) {
	simulated(t, func(n *node) {
		first := n.want(n.visit("a"), "first", session.Read)
		assert.Equal(t, "a login", first.Login)
		n.vault.change(func(d *double) { d.value = "second" })
		for began := time.Now(); time.Since(began) < interval*9/10-poll; {
			time.Sleep(poll)
			again := n.want(n.visit("a"), "first", session.Memory)
			assert.Empty(t, again.Login)
			assert.False(t, again.Turned)
		}
		assert.Equal(t, [2]int{1, 1}, n.vault.counts())

		time.Sleep(interval)
		n.want(n.visit("a"), "second", session.Read)
		assert.Equal(t, [2]int{1, 2}, n.vault.counts(), "the login's token serves for its whole life")
	})
}

func TestATokenOfVaultsIsUsedUntilItsEnd(t *testing.T) {
	simulated(t, func(n *node) {
		for range int(time.Hour / poll) {
			_, err := n.ask(n.visit("a"))
			require.NoError(t, err)
			time.Sleep(poll)
		}
		counts := n.vault.counts()
		assert.InDelta(t, 5, counts[0], 2, "logins in an hour: a token serves for 10 to 18 of its 20 minutes, and until the read after that")
		assert.InDelta(t, 11.5, counts[1], 1.5, "reads in an hour: every five and a half minutes")
	})
}

// TestWhatMakesAVisitAnother has one thing changed of a visit that memory would answer.
func TestWhatMakesAVisitAnother(t *testing.T) {
	for name, change := range map[string]func(*session.Visit){
		"another request":        func(v *session.Visit) { v.Request[0]++ },
		"another pod's name":     func(v *session.Visit) { v.Pod.Name = "b" },
		"another pod's UID":      func(v *session.Visit) { v.Pod.UID = "other" },
		"another namespace":      func(v *session.Visit) { v.Pod.Namespace = "other" },
		"another ServiceAccount": func(v *session.Visit) { v.Pod.ServiceAccount = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				n.want(n.visit("a"), "first", session.Read)
				time.Sleep(time.Second)
				n.vault.change(func(d *double) { d.value = "second" })
				v := n.visit("a")
				change(&v)
				n.want(v, "second", session.Read)
				assert.Equal(t, [2]int{2, 2}, n.vault.counts())
			})
		})
	}
}

func TestAnotherTokenIsProvenFirst(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		v := n.visit("a")
		v.Proof = secret.NewString("a token that nobody has seen")

		n.vault.change(func(d *double) { d.login = errLogin })
		a, err := n.ask(v)
		require.ErrorIs(t, err, vault.ErrLogin)
		assert.True(t, a.Bytes.IsEmpty())
		assert.NoError(t, a.Trouble, "it says nothing about the pod's own refreshes")
		n.vault.change(func(d *double) { d.login = errDown })
		_, err = n.ask(v)
		require.ErrorIs(t, err, vault.ErrUnavailable)
		n.want(n.visit("a"), "first", session.Memory) // the proven token's session goes on

		n.vault.change(func(d *double) { d.login = nil })
		n.want(v, "first", session.Memory)
		assert.Equal(t, [2]int{4, 1}, n.vault.counts(), "a login and no read")
		n.want(v, "first", session.Memory)
		assert.Equal(t, [2]int{4, 1}, n.vault.counts(), "it is proven now")
		n.want(n.visit("a"), "first", session.Memory)
		assert.Equal(t, [2]int{5, 1}, n.vault.counts(), "and the other one is not any more")
	})
}

func TestAlwaysAsksAlways(t *testing.T) {
	simulated(t, func(n *node) {
		for i := range 5 {
			v := n.visit("a")
			v.Policy.Interval = -1
			n.want(v, "first", session.Read)
			assert.Equal(t, [2]int{1, 1 + i}, n.vault.counts())
			time.Sleep(time.Millisecond)
		}
	})
}

func TestASilentPodIsForgotten(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		for range 40 {
			time.Sleep(poll)
			_, err := n.ask(n.visit("b"))
			require.NoError(t, err)
		}
		assert.Equal(t, session.Totals{Sessions: 1, Bytes: len("first")}, n.Totals(), "b has been heard of")
		time.Sleep(16 * time.Minute)
		assert.Zero(t, n.Totals())
		assert.Empty(t, n.List())
	})
}

func TestMemoryIsBounded(t *testing.T) {
	for name, row := range map[string]struct {
		options session.Options
		kept    int
	}{
		"by count": {session.Options{MaxSessions: 10}, 10},
		"by bytes": {session.Options{MaxBytes: 7 * len("first")}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, row.options)
				defer n.Close()
				pods := make([]session.Visit, 100)
				for i := range pods {
					pods[i] = n.visit(string(rune('a' + i)))
					pods[i].Request[0] = byte(i) // so that each has an answer of its own
					n.want(pods[i], "first", session.Read)
					time.Sleep(time.Millisecond)
					n.want(pods[0], "first", session.Memory) // is heard of most
					assert.LessOrEqual(t, n.Totals().Sessions, row.kept)
				}
				assert.Equal(t, session.Totals{Sessions: row.kept, Bytes: row.kept * len("first")}, n.Totals())
				n.want(pods[99], "first", session.Memory)
				n.want(pods[50], "first", session.Read)
			})
		})
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	simulated(t, func(n *node) {
		for _, pod := range []string{"a", "b", "c"} {
			_, err := n.ask(n.visit(pod))
			require.NoError(t, err)
		}
		assert.Equal(t, session.Totals{Sessions: 3, Bytes: len("first")}, n.Totals(), "replicas share what is remembered")
		n.Forget()
		assert.Zero(t, n.Totals())
		n.want(n.visit("a"), "first", session.Read)
	})
}

func TestTheListTellsNoValue(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("b"), "first", session.Read)
		time.Sleep(time.Minute)
		n.want(n.visit("a"), "first", session.Read)
		time.Sleep(20 * time.Second) // a group's moment may come 30 s after a read
		n.want(n.visit("b"), "first", session.Memory)
		list := n.List()
		require.Len(t, list, 2)
		a, b := list[0], list[1]
		assert.Equal(t, "gtc-prod--acme--sales/a", a.Pod)
		assert.Equal(t, "uid-of-a", a.UID)
		assert.Equal(t, "prod/acme/sales", a.Scope)
		assert.Equal(t, "default", a.Connection)
		assert.Equal(t, 5, a.Bytes)
		assert.Equal(t, 2, a.Holders)
		assert.EqualValues(t, 20, *a.Age)
		assert.EqualValues(t, 20, a.Heard)
		assert.EqualValues(t, 20, *b.Age, "b has what was read for a")
		assert.EqualValues(t, 0, b.Heard)
		assert.InDelta(t, 160, int64(*b.Refresh), 160)
		assert.Nil(t, b.Troubled)
	})
}
