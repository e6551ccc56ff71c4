package figures

import (
	"fmt"
	"math"
)

// Republishes are unchanged republishes of so many volumes at once, and as many calls of a server that only answers, and as much.
type Republishes struct {
	Pods     int    `json:"pods"` // at once
	Echo     Series `json:"echo"`
	Provider Series `json:"provider"`
}

func (r Republishes) bar() Bar {
	return Bar{
		Name: "unchanged republishes, " + plural(r.Pods, "pod"), Measured: r.Provider.Over(r.Echo), Limit: MostOverEcho, Unit: "x gRPC echo",
	}
}

// Replicas are pods of one badge that ask for the same, all at once: by Vault's audit log.
type Replicas struct {
	Pods int      `json:"pods"` // at once
	Cold []Tally  `json:"cold"` // together, of each batch of first mounts
	Due  []Tally  `json:"due"`  // together, of each batch of refreshes
	Odd  []string `json:"odd"`  // one line for each pod that did not log in just once at its start, and for what belongs to none
}

func (r Replicas) bars() []Bar {
	name := func(format string) string { return fmt.Sprintf(format, r.Pods) }
	odd, reads, due := math.NaN(), math.NaN(), math.NaN()
	for i, cold := range r.Cold {
		odd = float64(len(r.Odd))
		reads = largest(i, reads, cold.Reads+cold.Decrypts+cold.Others)
	}
	for i, tally := range r.Due {
		due = largest(i, due, tally.Logins+tally.Reads+tally.Decrypts+tally.Others)
	}
	return []Bar{
		{Name: name("of %d replicas cold at once, those that did not log in once"), Measured: odd},
		{Name: name("reads of %d replicas cold at once"), Measured: reads, Limit: MostReplicaReads},
		{Name: name("requests of %d replicas whose refresh is due"), Measured: due, Limit: MostReplicaDue},
	}
}

func largest(i int, so float64, next int) float64 {
	if i == 0 {
		return float64(next)
	}
	return max(so, float64(next))
}

// Held is what the provider's memory is like with many sessions, and after them. All are bytes of resident memory, each the least of some
// readings.
type Held struct {
	Sessions    int   `json:"sessions"`     // at once, by the provider's own metric; 0 if nothing was measured
	Before      int64 `json:"before_bytes"` // the sessions
	With        int64 `json:"with_bytes"`   // the sessions
	Gone        int64 `json:"gone_bytes"`   // after they ended
	Again       int64 `json:"again_bytes"`  // after as many more have come and gone, and Republishes
	Republishes int   `json:"republishes"`
	Left        int   `json:"left"` // goroutines more than after the first sessions ended
}

func (h Held) bars() []Bar {
	each, growth, left := math.NaN(), math.NaN(), math.NaN()
	if h.Sessions > 0 {
		each = float64(h.With-h.Before) / float64(h.Sessions) / 1024
		growth, left = float64(h.Again-h.Gone)/mebibyte, float64(h.Left)
	}
	return []Bar{
		{Name: fmt.Sprintf("resident memory more for each of %d sessions", h.Sessions), Measured: each, Limit: MostSession / 1024, Unit: "KiB"},
		{
			Name:     fmt.Sprintf("resident memory more after %d republishes and %d pods that came and went", h.Republishes, h.Sessions),
			Measured: growth, Limit: MostGrowth / mebibyte, Unit: "MiB",
		},
		{Name: "goroutines more after them", Measured: left, Limit: MostLeft},
	}
}
