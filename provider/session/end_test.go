package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestTheEndOfAPodWipesItsSessions(t *testing.T) {
	simulated(t, func(n *node) {
		second := n.visit("a")
		second.Request[0] = 2
		n.want(n.visit("a"), "first", session.Read)
		n.want(second, "first", session.Read)
		n.want(n.visit("b"), "first", session.Read)
		assert.Zero(t, n.End("uid-of-nobody"))
		assert.Equal(t, 2, n.End("uid-of-a"))
		assert.Equal(t, session.Totals{Sessions: 1, Bytes: len("first")}, n.Totals())
		assert.Zero(t, n.End("uid-of-a"))
		n.want(n.visit("b"), "first", session.Memory)
		n.vault.change(func(d *double) { d.value = "second" })
		time.Sleep(time.Minute)
		n.want(n.visit("a"), "second", session.Read) // were it there after all: a first mount
	})
}

// TestTheEndOfTheLastAnswersTimeIsTold once, and only where it has stood in.
func TestTheEndOfTheLastAnswersTimeIsTold(t *testing.T) {
	simulated(t, func(n *node) {
		n.want(n.visit("a"), "first", session.Read)
		for range 2 { // a second outage is told of again
			n.vault.change(func(d *double) { d.read, d.login = errDown, errDown })
			stood, spent := 0, 0
			for range 60 {
				time.Sleep(poll)
				a, err := n.ask(n.visit("a"))
				if a.From == session.Stale {
					stood++
					assert.False(t, a.Spent)
				}
				if a.Spent {
					require.ErrorIs(t, err, vault.ErrUnavailable)
					assert.Positive(t, stood)
					spent++
				}
			}
			assert.Equal(t, 1, spent)
			n.vault.change(func(d *double) { d.read, d.login = nil, nil })
			time.Sleep(poll)
			n.want(n.visit("a"), "first", session.Read)
		}
	})
	simulated(t, func(n *node) {
		v := n.visit("a")
		v.Policy.MaxStale = 0
		n.want(v, "first", session.Read)
		n.vault.change(func(d *double) { d.read = errDown })
		time.Sleep(2 * interval)
		a, err := n.ask(v)
		require.Error(t, err)
		assert.False(t, a.Spent, "nothing has stood in")
	})
}
