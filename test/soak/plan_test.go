package soak_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// step is one fault of a plan.
type step struct {
	lane  string // faults of one lane never overlap; those of different lanes do
	fault string
	at    time.Duration // since the soak's beginning
	lasts time.Duration // until it is mended
}

func (s step) String() string {
	return fmt.Sprintf("%8s %s %s for %s", s.at.Round(time.Millisecond), s.lane, s.fault, s.lasts.Round(time.Millisecond))
}

// lane is a part of the world that has at most one fault at a time.
type lane struct {
	name    string
	every   time.Duration // the mean time between two faults
	longest time.Duration
	faults  []string
}

// lanes are in the order in which a plan draws from its seed.
var lanes = []lane{
	{"vault", 12 * time.Second, 4 * time.Second, []string{"sealed", "paused", "restarted", "killed"}},
	{"way", 14 * time.Second, 4 * time.Second, []string{"slow", "cut", "unavailable"}},
	{"apiserver", 40 * time.Second, 4 * time.Second, []string{"stopped"}},
	{"driver", 25 * time.Second, 2 * time.Second, []string{"killed", "restarted"}},
	{"provider", 15 * time.Second, 2 * time.Second, []string{"killed", "terminated"}},
	{"tokens", 15 * time.Second, 0, []string{"revoked"}},
	{"configuration", 12 * time.Second, 3 * time.Second, []string{"refused", "other words"}},
}

// planOf is every fault of a soak of this length. Its order is that in which they begin.
func planOf(seed uint64, length time.Duration) []step {
	var plan []step
	for i, l := range lanes {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d) + 1)) }
		for at := upTo(l.every); at < length; {
			s := step{lane: l.name, fault: l.faults[random.IntN(len(l.faults))], at: at, lasts: upTo(l.longest)}
			plan = append(plan, s)
			at += s.lasts + l.every/2 + upTo(l.every)
		}
	}
	slices.SortStableFunc(plan, func(a, b step) int { return int(a.at - b.at) })
	return plan
}

// TestPlan: a seed is a plan, and no lane has two faults at once.
func TestPlan(t *testing.T) {
	t.Parallel()
	plan := planOf(7, 20*time.Minute)
	assert.Equal(t, plan, planOf(7, 20*time.Minute))
	assert.NotEqual(t, plan, planOf(8, 20*time.Minute))
	usual := map[string]bool{}
	for _, s := range planOf(usualSeed, usualLength) {
		usual[s.lane] = true
	}
	assert.Len(t, usual, len(lanes), "the usual soak has a fault of every lane")
	free, seen := map[string]time.Duration{}, map[string]bool{}
	for _, s := range plan {
		assert.Greater(t, s.at, free[s.lane], s)
		assert.Less(t, s.at, 20*time.Minute)
		free[s.lane], seen[s.lane+s.fault] = s.at+s.lasts, true
	}
	for _, l := range lanes {
		for _, fault := range l.faults {
			assert.True(t, seen[l.name+fault], "%s %s", l.name, fault)
		}
	}
}
