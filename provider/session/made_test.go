package session_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// made is what was made for a pod, as package lease has it.
type made struct {
	stamp atomic.Uint64
	heard atomic.Int64
}

func (m *made) Stamp() uint64 { return m.stamp.Load() }
func (m *made) Hear()         { m.heard.Add(1) }

func TestWhatIsMadeForAPodIsAnsweredUntilItIsReplaced(t *testing.T) {
	simulated(t, func(n *node) {
		m := &made{}
		m.stamp.Store(7)
		v := n.visit("a")
		v.Made, v.Policy.Interval = m, time.Hour
		n.want(v, "first", session.Read)
		heard := m.heard.Load()
		time.Sleep(poll)
		n.want(v, "first", session.Memory)
		assert.Greater(t, m.heard.Load(), heard, "also an answer from memory says that the pod is there")

		n.vault.change(func(d *double) { d.value = "second" })
		for _, stamp := range []uint64{0, 8} { // it has to be replaced; another volume of the pod has replaced it
			m.stamp.Store(stamp)
			if stamp == 0 {
				n.vault.change(func(d *double) { d.during = func(string) { m.stamp.Store(9) } })
			}
			time.Sleep(poll)
			n.want(v, "second", session.Read)
			n.vault.change(func(d *double) { d.during = nil })
			n.want(v, "second", session.Memory)
		}
		assert.Equal(t, 3, n.vault.counts()[1])
	})
}

func TestWhatIsMadeForAPodIsNotShared(t *testing.T) {
	simulated(t, func(n *node) {
		for i, pod := range []string{"a", "b"} {
			m := &made{}
			m.stamp.Store(uint64(i + 1))
			v := n.visit(pod)
			v.Made = m
			n.want(v, "first", session.Read)
		}
		assert.Equal(t, [2]int{2, 2}, n.vault.counts())
		assert.Equal(t, 2*len("first"), n.Totals().Bytes)
	})
}

func TestARefreshThatFailsHearsThePodToo(t *testing.T) {
	simulated(t, func(n *node) {
		m := &made{}
		m.stamp.Store(1)
		v := n.visit("a")
		v.Made = m
		n.want(v, "first", session.Read)
		n.vault.change(func(d *double) { d.read = errDown })
		heard := m.heard.Load()
		m.stamp.Store(0)
		time.Sleep(poll)
		n.want(v, "first", session.Stale)
		assert.Greater(t, m.heard.Load(), heard)
	})
}

// The very same call is looked into again: what was made may have to be replaced.
func TestACallForWhatIsMadeIsLookedIntoEachTime(t *testing.T) {
	simulated(t, func(n *node) {
		m := &made{}
		m.stamp.Store(7)
		v := n.visit("a")
		v.Made, v.Call, v.Expires = m, n.Call(1, "a"), time.Now().Add(time.Hour)
		n.want(v, "first", session.Read)
		n.want(v, "first", session.Memory)
		_, _, again := n.Again(v.Call)
		assert.False(t, again)
	})
}
