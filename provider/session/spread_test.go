package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// fresh runs test with a Store that was made just now, whose spread is known.
func fresh(t *testing.T, test func(*node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, session.Options{Random: func() float64 { return 0 }})
		defer n.Close()
		test(n)
	})
}

// old is a visit of a pod that has been there for half an hour.
func (n *node) old(pod string) session.Visit {
	v := n.visit(pod)
	v.Issued = time.Now().Add(-30 * time.Minute)
	return v
}

// refreshes are in how many seconds each of the volumes is due.
func (n *node) refreshes() (due []int) {
	for _, entry := range n.List() {
		due = append(due, int(*entry.Refresh))
	}
	slices.Sort(due)
	return due
}

// TestANewProvidersPodsDoNotStayInStep is about a node whose provider was started anew: the first refreshes come at all times of the interval.
func TestANewProvidersPodsDoNotStayInStep(t *testing.T) {
	fresh(t, func(n *node) {
		const pods = 110
		for i := range pods {
			v := n.old("p")
			v.Request[0] = byte(i)
			n.want(v, "first", session.Read)
		}
		due := n.refreshes()
		for i, seconds := range due {
			assert.InDelta(t, max(330*(i+1)/pods, 30), seconds, 8, "the refresh %d", i)
		}
		assert.LessOrEqual(t, due[pods-1], 330)
	})
}

func TestANewPodHasTheWholeIntervalFirst(t *testing.T) {
	for name, change := range map[string]func(*session.Visit){
		"by its token":                    func(v *session.Visit) { v.Issued = time.Now() },
		"as far as the clocks tell":       func(v *session.Visit) { v.Issued = time.Now().Add(-59 * time.Second) },
		"and where the token tells not":   func(v *session.Visit) { v.Issued = time.Time{} },
		"also where the token tells much": func(v *session.Visit) { v.Issued = time.Now().Add(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t, func(n *node) {
				v := n.old("a")
				change(&v)
				n.want(v, "first", session.Read)
				assert.Equal(t, []int{270}, n.refreshes(), "a tenth less, by chance")
			})
		})
	}
}

// TestANewReplicaDoesNotMoveTheMoment starts replicas one after the other: the group's moment stays where it is.
func TestANewReplicaDoesNotMoveTheMoment(t *testing.T) {
	fresh(t, func(n *node) {
		n.want(n.old("a"), "first", session.Read)
		due := n.refreshes()[0]
		for i := range 5 {
			time.Sleep(10 * time.Second)
			n.want(n.visit(string(rune('b'+i))), "first", session.Read)
		}
		for _, seconds := range n.refreshes() {
			assert.Equal(t, due-50, seconds)
		}
	})
}

// TestPodsAreNotInStepAfterAnOutage has Vault come back when all volumes have long been due.
func TestPodsAreNotInStepAfterAnOutage(t *testing.T) {
	fresh(t, func(n *node) {
		const pods = 110
		all := func() {
			for i := range pods {
				v := n.visit("p")
				v.Request[0] = byte(i)
				_, err := n.ask(v)
				require.NoError(t, err)
			}
		}
		all()
		n.vault.change(func(d *double) { d.login, d.read = errDown, errDown })
		time.Sleep(10 * time.Minute)
		all()
		n.vault.change(func(d *double) { d.login, d.read = nil, nil })
		time.Sleep(time.Minute)
		all() // reads everything within a second
		assert.Zero(t, n.Totals().Troubled)
		for i, seconds := range n.refreshes() {
			assert.InDelta(t, max(330*(i+1)/pods, 30), seconds, 8, "the refresh %d", i)
		}
	})
}

// TestNoAnswerIsOlderThanATenthMore has a pod ask all the time, for an hour.
func TestNoAnswerIsOlderThanATenthMore(t *testing.T) {
	for name, visit := range map[string]func(*node, string) session.Visit{"a new pod": (*node).visit, "an old one": (*node).old} {
		t.Run(name, func(t *testing.T) {
			fresh(t, func(n *node) {
				v := visit(n, "a")
				for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
					_, err := n.ask(v)
					require.NoError(t, err)
					require.LessOrEqual(t, int(*n.List()[0].Age), 330)
				}
				assert.InDelta(t, 12, n.vault.counts()[1], 1)
			})
		})
	}
}

// TestPodsOlderThanTheProviderShareReads is about replicas that ask one after the other when the provider has been started anew.
func TestPodsOlderThanTheProviderShareReads(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*node, *session.Visit) // of the second pod's visit, ten seconds after the first's
		from   session.From
		counts [2]int
	}{
		"they do":                         {func(*node, *session.Visit) {}, session.Shared, [2]int{2, 1}},
		"not with a token since":          {func(_ *node, v *session.Visit) { v.Issued = time.Now() }, session.Read, [2]int{2, 2}},
		"not if clocks could deceive":     {func(_ *node, v *session.Visit) { v.Issued = v.Issued.Add(29*time.Minute + time.Second) }, session.Read, [2]int{2, 2}},
		"not if the token tells no time":  {func(_ *node, v *session.Visit) { v.Issued = time.Time{} }, session.Read, [2]int{2, 2}},
		"not after the first interval":    {func(*node, *session.Visit) { time.Sleep(interval - 10*time.Second) }, session.Read, [2]int{2, 2}},
		"not of another badge":            {func(_ *node, v *session.Visit) { v.Pod.ServiceAccount = "other" }, session.Read, [2]int{2, 2}},
		"not what else is asked for":      {func(_ *node, v *session.Visit) { v.Request[0]++ }, session.Read, [2]int{2, 2}},
		"not where each call asks Vault":  {func(_ *node, v *session.Visit) { v.Policy.Interval = 0 }, session.Read, [2]int{2, 2}},
		"and after a new configuration":   {func(n *node, v *session.Visit) { n.forgets(v.Pod.Name) }, session.Shared, [2]int{3, 2}},
		"but not what was read before it": {func(n *node, _ *session.Visit) { n.Forget() }, session.Read, [2]int{2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t, func(n *node) {
				second := n.old("b")
				n.want(n.old("a"), "first", session.Read)
				time.Sleep(10 * time.Second)
				row.change(n, &second)
				n.want(second, "first", row.from)
				assert.Equal(t, row.counts, n.vault.counts())
			})
		})
	}
}

// forgets forgets all, and has another pod than the named one ask.
func (n *node) forgets(but string) {
	time.Sleep(time.Hour)
	n.Forget()
	n.want(n.old("not "+but), "first", session.Read)
}

// TestAnOldPodsRefreshIsARead holds the refresh apart from the first visit: in the first interval too, what is due is read.
func TestAnOldPodsRefreshIsARead(t *testing.T) {
	fresh(t, func(n *node) {
		v := n.old("a")
		n.want(v, "first", session.Read)
		due := time.Duration(n.refreshes()[0]) * time.Second
		require.Less(t, due, interval-10*time.Second)
		n.vault.change(func(d *double) { d.value = "second" })
		time.Sleep(due - 2*time.Second)
		n.want(v, "first", session.Memory)
		time.Sleep(4 * time.Second)
		n.want(v, "second", session.Read)
	})
}

// TestARefusedPodsVisitIsARead has Vault refuse an old pod, which then must not have what another may.
func TestARefusedPodsVisitIsARead(t *testing.T) {
	fresh(t, func(n *node) {
		n.want(n.old("a"), "first", session.Read)
		n.want(n.old("b"), "first", session.Shared)
		n.vault.change(func(d *double) { d.refuse["b"] = errRefused })
		time.Sleep(interval - 10*time.Second)
		_, err := n.ask(n.old("b"))
		require.ErrorIs(t, err, errRefused)
		n.want(n.old("a"), "first", session.Read)
		_, err = n.ask(n.old("b"))
		require.ErrorIs(t, err, errRefused, "a's answer is younger, and not for b")
	})
}
