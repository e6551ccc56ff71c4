package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// TestTheSameCallAgain asks for pod-1's volume by one call, changes one thing, and makes that call again without a visit.
func TestTheSameCallAgain(t *testing.T) {
	const life = time.Hour
	visit := func(n *node) session.Visit {
		v := n.visit("pod-1")
		v.Call, v.Expires, v.Objects = n.Call(1, "attributes", "secrets"), time.Now().Add(life), 3
		return v
	}
	for name, row := range map[string]struct {
		mutate func(*node, session.Visit)
		again  bool
	}{
		"nothing": {func(*node, session.Visit) {}, true},
		"another pod of the group": {func(n *node, _ session.Visit) {
			other := n.visit("pod-2")
			other.Call, other.Expires = n.Call(1, "another's"), time.Now().Add(life)
			n.want(other, "first", session.Read)
		}, true},
		"a call of the same token that is written in another way": {func(n *node, v session.Visit) {
			v.Call = n.Call(1, "attributes ", "secrets")
			n.want(v, "first", session.Memory)
		}, false},
		"a new token": {func(n *node, v session.Visit) {
			v.Proof, v.Call = secret.NewString("new"), n.Call(1, "with the new token", "secrets")
			n.want(v, "first", session.Memory)
		}, false},
		"a new token that Vault refuses": {func(n *node, v session.Visit) {
			v.Proof, v.Call = secret.NewString("new"), n.Call(1, "with the new token", "secrets")
			n.vault.change(func(d *double) { d.login = errLogin })
			_, err := n.ask(v)
			require.ErrorIs(n.t, err, errLogin)
		}, true},
		"the answer is old": {func(*node, session.Visit) { time.Sleep(interval * 12 / 10) }, false},
		"the session ends":  {func(n *node, _ session.Visit) { n.Forget() }, false},
		"Vault refuses a refresh": {func(n *node, v session.Visit) {
			time.Sleep(interval * 12 / 10)
			n.vault.change(func(d *double) { d.read = errRefused })
			_, err := n.ask(v)
			require.ErrorIs(n.t, err, errRefused)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(n *node) {
				v := visit(n)
				_, _, again := n.Again(v.Call)
				require.False(n.t, again, "before it was made")
				n.want(v, "first", session.Read)
				row.mutate(n, v)
				before := n.vault.counts()
				a, of, again := n.Again(v.Call)
				assert.Equal(n.t, row.again, again)
				assert.Equal(n.t, before, n.vault.counts())
				if !row.again {
					assert.Equal(n.t, session.Answer{}, a)
					assert.Equal(n.t, session.Volume{}, of)
					return
				}
				assert.Equal(n.t, "first", a.Bytes.RevealString())
				assert.Equal(n.t, session.Memory, a.From)
				assert.Equal(n.t, session.Volume{Pod: v.Pod, Scope: v.Scope, Connection: v.Connection, Objects: 3}, of)
				a.Bytes.Wipe() // a copy
				n.want(v, "first", session.Memory)
			})
		})
	}
	t.Run("the token expires", func(t *testing.T) {
		simulated(t, func(n *node) {
			v := visit(n)
			v.Expires = time.Now().Add(time.Minute)
			n.want(v, "first", session.Read)
			time.Sleep(time.Until(v.Expires) - time.Nanosecond)
			_, _, again := n.Again(v.Call)
			assert.True(n.t, again)
			time.Sleep(time.Nanosecond)
			_, _, again = n.Again(v.Call)
			assert.False(n.t, again)
		})
	})
	t.Run("a visit without a call", func(t *testing.T) {
		simulated(t, func(n *node) {
			v := n.visit("pod-1")
			v.Expires = time.Now().Add(life)
			n.want(v, "first", session.Read)
			_, _, again := n.Again(session.Call{})
			assert.False(n.t, again)
		})
	})
	t.Run("it keeps the session", func(t *testing.T) {
		simulated(t, func(n *node) {
			v := visit(n)
			v.Policy.Interval = time.Hour
			n.want(v, "first", session.Read)
			for range 30 {
				time.Sleep(time.Minute)
				_, _, again := n.Again(v.Call)
				require.True(n.t, again, "the pod is heard of")
			}
			time.Sleep(16 * time.Minute)
			_, _, again := n.Again(v.Call)
			require.False(n.t, again, "it has fallen silent")
		})
	})
}

func TestCallsAreDifferentIfAnythingIs(t *testing.T) {
	s, other := session.New(session.Options{}), session.New(session.Options{})
	defer s.Close()
	defer other.Close()
	seen := map[session.Call]string{{}: "none"}
	for name, call := range map[string]session.Call{
		"one": s.Call(1, "ab", "c"), "another configuration": s.Call(2, "ab", "c"), "other attributes": s.Call(1, "aB", "c"),
		"other secrets": s.Call(1, "ab", ""), "a byte moved": s.Call(1, "a", "bc"), "all in one": s.Call(1, "abc"), "another key": other.Call(1, "ab", "c"),
	} {
		assert.Empty(t, seen[call], name)
		seen[call] = name
	}
	assert.Equal(t, s.Call(1, "ab", "c"), s.Call(1, "ab", "c"))
}
