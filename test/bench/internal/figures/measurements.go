package figures

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// The bars.
const (
	MostOverFloorOne  = 1.5          // times the floor, for one pod alone
	MostOverFloorMany = 1.3          // times the floor, for many pods at once
	MostOverEmpty     = 5            // times an empty gRPC server's, from start to ready
	MostResident      = 30 * 1 << 20 // bytes, after many mounts
	MostProgram       = 20e6         // bytes of the stripped program
	MostOverEcho      = 1.5          // times the echo server's, for unchanged republishes
	MostReplicaReads  = 66           // of replicas of three secrets that start at once
	MostReplicaDue    = 3            // requests of such replicas together when a refresh is due
	MostSession       = 64 << 10     // resident bytes more of each session
	MostLeft          = 20           // goroutines more after them: an idle connection has two, and their number varies a little
	MostGrowth        = 2 << 20      // resident bytes more after 1,000 sessions have come and gone, which are 3 MiB; less is the collector's
)

const mebibyte = 1 << 20

// Mounts are the mounts of one kind of secret, so many at once: by the provider, and the same requests to Vault by bare
// HTTP.
type Mounts struct {
	Kind     string `json:"kind"` // "plain KV" or "records"
	Pods     int    `json:"pods"` // at once
	Floor    Series `json:"floor"`
	Provider Series `json:"provider"`
}

func (m Mounts) bar() Bar {
	limit := MostOverFloorMany
	if m.Pods == 1 {
		limit = MostOverFloorOne
	}
	return Bar{Name: m.name(), Measured: m.Provider.Over(m.Floor), Limit: limit, Unit: "x floor"}
}

func (m Mounts) name() string { return fmt.Sprintf("%s, %s", m.Kind, plural(m.Pods, "pod")) }

// Calls are calls of a gRPC server that only answers, so many at once.
type Calls struct {
	Calls int    `json:"calls"` // at once
	Times Series `json:"times"`
}

// Requests are those at Vault of all the measured calls of one kind, by Vault's audit log.
type Requests struct {
	What  string   `json:"what"`  // such as "mounts of records"
	Want  Tally    `json:"want"`  // of each
	Calls int      `json:"calls"` // how many were made
	Total Tally    `json:"total"`
	Odd   []string `json:"odd"` // one line for each call that made other requests than wanted, and for what belongs to none
}

func (r Requests) bar() Bar {
	odd := float64(len(r.Odd))
	if r.Calls == 0 {
		odd = math.NaN()
	}
	return Bar{Name: fmt.Sprintf("%s that made other requests at Vault than %s", r.What, r.Want), Measured: odd}
}

// Measurements are all that one run measured.
type Measurements struct {
	Mounts      []Mounts    `json:"mounts"`
	Echo        []Calls     `json:"echo"`
	Requests    []Requests  `json:"requests"`
	Republishes Republishes `json:"republishes"`
	Replicas    Replicas    `json:"replicas"`
	Held        Held        `json:"held"`
	APIRequests []string    `json:"api_requests"`   // what reached the API server from the provider, one line each; nil if nobody looked
	Resident    []int64     `json:"resident_bytes"` // the provider's resident memory after each time that many pods were mounted at once
	Peak        int64       `json:"peak_bytes"`     // the most that it ever had
	Program     int64       `json:"program_bytes"`  // the provider's stripped program
	Start       Series      `json:"start"`          // from the provider's start to its first answer
	EmptyStart  Series      `json:"start_empty"`    // the same of an empty gRPC server
}

// Bars are the bars, in the order in which they are shown.
func (m Measurements) Bars() []Bar {
	var bars []Bar
	for _, mounts := range m.Mounts {
		bars = append(bars, mounts.bar())
	}
	for _, requests := range m.Requests {
		bars = append(bars, requests.bar())
	}
	bars = append(bars, m.Republishes.bar())
	bars = append(bars, m.Replicas.bars()...)
	api := Bar{Name: "requests at the API server from the provider", Measured: float64(len(m.APIRequests))}
	if m.APIRequests == nil {
		api.Measured = math.NaN()
	}
	resident := Bar{Name: "provider's resident memory after the mounts", Measured: math.NaN(), Limit: MostResident / mebibyte, Unit: "MiB"}
	if len(m.Resident) > 0 {
		resident.Measured = float64(slices.Max(m.Resident)) / mebibyte
	}
	program := Bar{Name: "provider's stripped program", Measured: float64(m.Program) / 1e6, Limit: MostProgram / 1e6, Unit: "MB"}
	if m.Program <= 0 {
		program.Measured = math.NaN()
	}
	start := Bar{Name: "provider's start to its first answer", Measured: m.Start.Over(m.EmptyStart), Limit: MostOverEmpty, Unit: "x an empty gRPC server"}
	return append(append(bars, api, resident, program, start), m.Held.bars()...)
}

// Err names every bar that was missed; nil if none was.
func (m Measurements) Err() error {
	var missed []error
	for _, bar := range m.Bars() {
		missed = append(missed, bar.Err())
	}
	return errors.Join(missed...)
}

func plural(n int, word string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}
