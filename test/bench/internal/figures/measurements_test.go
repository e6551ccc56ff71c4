package figures_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
)

var update = flag.Bool("update", false, "write the golden files")

// good is a run that reaches every bar, each by exactly what it allows.
func good() figures.Measurements {
	return figures.Measurements{
		Mounts: []figures.Mounts{
			{Kind: "plain KV", Pods: 1, Floor: ms(2, 1, 3), Provider: ms(3, 1, 9)},
			{Kind: "plain KV", Pods: 110, Floor: ms(200, 100, 300), Provider: ms(260, 250, 900)},
			{Kind: "records", Pods: 1, Floor: ms(4, 4, 4), Provider: ms(6, 6, 6)},
			{Kind: "records", Pods: 110, Floor: ms(300, 300, 300), Provider: ms(390, 390, 390)},
			{Kind: "refreshes of plain KV", Pods: 110, Floor: ms(100, 100, 100), Provider: ms(130, 120, 140)},
		},
		Echo: []figures.Calls{{Calls: 1, Times: ms(0.2, 0.3, 0.4)}, {Calls: 110, Times: ms(5, 6, 7)}},
		Requests: []figures.Requests{
			{
				What: "mounts of plain KV", Want: figures.Tally{Logins: 1, Reads: 3}, Calls: 333, Total: figures.Tally{Logins: 333, Reads: 999},
			},
			{
				What: "mounts of records", Want: figures.Tally{Logins: 1, Reads: 3, Decrypts: 1}, Calls: 333,
				Total: figures.Tally{Logins: 333, Reads: 999, Decrypts: 333},
			},
			{What: "unchanged republishes", Calls: 1100},
			{What: "refreshes of plain KV", Want: figures.Tally{Reads: 3}, Calls: 110, Total: figures.Tally{Reads: 330}},
		},
		Republishes: figures.Republishes{Pods: 110, Echo: ms(4, 3, 5), Provider: ms(6, 5, 9)},
		Replicas: figures.Replicas{
			Pods: 110, Cold: []figures.Tally{{Logins: 110, Reads: 66}, {Logins: 110, Reads: 6}}, Due: []figures.Tally{{Reads: 3}, {Reads: 3}},
		},
		Held: figures.Held{
			Sessions: 1000, Before: 20 << 20, With: 20<<20 + 64_000<<10, Gone: 22 << 20, Again: 24 << 20, Republishes: 10_010, Left: 20,
		},
		APIRequests: []string{},
		Resident:    []int64{20 << 20, 30 << 20, 25 << 20},
		Peak:        33 << 20,
		Program:     20_000_000,
		Start:       ms(50, 40, 60),
		EmptyStart:  ms(10, 9, 11),
	}
}

func TestEveryBarIsReached(t *testing.T) {
	require.NoError(t, good().Err())
	for _, bar := range good().Bars() {
		assert.False(t, bar.Missed(), bar.Name)
	}
	assert.Len(t, good().Bars(), 20)
}

func TestAMissedBarFailsAndIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(*figures.Measurements)
		want   string
	}{
		"one pod, plain": {
			func(m *figures.Measurements) { m.Mounts[0].Provider = ms(3.1, 1, 9) },
			"bar missed: plain KV, 1 pod: 1.550 x floor, at most 1.500",
		},
		"110 pods, plain": {
			func(m *figures.Measurements) { m.Mounts[1].Provider = ms(262, 1, 900) },
			"bar missed: plain KV, 110 pods: 1.310 x floor, at most 1.300",
		},
		"one pod, records": {
			func(m *figures.Measurements) { m.Mounts[2].Floor = ms(3) },
			"bar missed: records, 1 pod: 2 x floor, at most 1.500",
		},
		"110 pods, records": {
			func(m *figures.Measurements) { m.Mounts[3].Provider = nil },
			"bar missed: records, 110 pods: nothing was measured, at most 1.300",
		},
		"a mount with another request": {
			func(m *figures.Measurements) { m.Requests[0].Odd = []string{"gtc/pod-1: 2 logins, 3 reads"} },
			"bar missed: mounts of plain KV that made other requests at Vault than 1 login, 3 reads: 1, at most 0",
		},
		"no mounts counted": {
			func(m *figures.Measurements) { m.Requests[1].Calls = 0 },
			"bar missed: mounts of records that made other requests at Vault than 1 login, 3 reads, 1 transit call: nothing was measured, at most 0",
		},
		"republishes": {
			func(m *figures.Measurements) { m.Republishes.Provider = ms(6.2) },
			"bar missed: unchanged republishes, 110 pods: 1.550 x gRPC echo, at most 1.500",
		},
		"republishes that nobody made": {
			func(m *figures.Measurements) { m.Republishes.Echo = nil },
			"bar missed: unchanged republishes, 110 pods: nothing was measured, at most 1.500",
		},
		"a republish that went to Vault": {
			func(m *figures.Measurements) { m.Requests[2].Odd = []string{"gtc/pod-1: 1 login"} },
			"bar missed: unchanged republishes that made other requests at Vault than none: 1, at most 0",
		},
		"a slow refresh": {
			func(m *figures.Measurements) { m.Mounts[4].Provider = ms(131) },
			"bar missed: refreshes of plain KV, 110 pods: 1.310 x floor, at most 1.300",
		},
		"a replica without a login": {
			func(m *figures.Measurements) { m.Replicas.Odd = []string{"gtc/pod-1: none"} },
			"bar missed: of 110 replicas cold at once, those that did not log in once: 1, at most 0",
		},
		"replicas that share less": {
			func(m *figures.Measurements) { m.Replicas.Cold[1].Reads = 67 },
			"bar missed: reads of 110 replicas cold at once: 67, at most 66",
		},
		"replicas that log in for a refresh": {
			func(m *figures.Measurements) { m.Replicas.Due[1].Logins = 1 },
			"bar missed: requests of 110 replicas whose refresh is due: 4, at most 3",
		},
		"no refresh of replicas": {
			func(m *figures.Measurements) { m.Replicas.Due = nil },
			"bar missed: requests of 110 replicas whose refresh is due: nothing was measured, at most 3",
		},
		"a large session": {
			func(m *figures.Measurements) { m.Held.With += 1000 << 10 },
			"bar missed: resident memory more for each of 1000 sessions: 65 KiB, at most 64",
		},
		"what has gone is still there": {
			func(m *figures.Measurements) { m.Held.Again += 1 << 19 },
			"bar missed: resident memory more after 10010 republishes and 1000 pods that came and went: 2.500 MiB, at most 2",
		},
		"goroutines that stay": {
			func(m *figures.Measurements) { m.Held.Left = 21 },
			"bar missed: goroutines more after them: 21, at most 20",
		},
		"a request at the API server": {
			func(m *figures.Measurements) { m.APIRequests = []string{"get /api/v1/secrets"} },
			"bar missed: requests at the API server from the provider: 1, at most 0",
		},
		"the API server not watched": {
			func(m *figures.Measurements) { m.APIRequests = nil },
			"bar missed: requests at the API server from the provider: nothing was measured, at most 0",
		},
		"memory": {
			func(m *figures.Measurements) { m.Resident[0] = 30<<20 + 100_000 },
			"bar missed: provider's resident memory after the mounts: 30.095 MiB, at most 30",
		},
		"memory not read": {
			func(m *figures.Measurements) { m.Resident = nil },
			"bar missed: provider's resident memory after the mounts: nothing was measured, at most 30",
		},
		"size": {
			func(m *figures.Measurements) { m.Program = 20_100_000 },
			"bar missed: provider's stripped program: 20.100 MB, at most 20",
		},
		"no program": {
			func(m *figures.Measurements) { m.Program = 0 },
			"bar missed: provider's stripped program: nothing was measured, at most 20",
		},
		"start": {
			func(m *figures.Measurements) { m.Start = ms(51) },
			"bar missed: provider's start to its first answer: 5.100 x an empty gRPC server, at most 5",
		},
		"no start measured": {
			func(m *figures.Measurements) { m.EmptyStart = nil },
			"bar missed: provider's start to its first answer: nothing was measured, at most 5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := good()
			row.mutate(&m)
			err := m.Err()
			require.ErrorIs(t, err, figures.ErrMissed)
			assert.EqualError(t, err, row.want)
		})
	}
}

func TestAllMissedBarsAreNamedAtOnce(t *testing.T) {
	err := figures.Measurements{}.Err()
	require.ErrorIs(t, err, figures.ErrMissed)
	for _, part := range []string{"API server", "resident memory", "stripped program", "first answer"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestTally(t *testing.T) {
	assert.Equal(t, "none", figures.Tally{}.String())
	assert.Equal(t, "1 login, 3 reads, 1 transit call, 2 others", figures.Tally{Logins: 1, Reads: 3, Decrypts: 1, Others: 2}.String())
	assert.Equal(t, figures.Tally{Logins: 2, Reads: 4, Decrypts: 6, Others: 8},
		figures.Tally{Logins: 1, Reads: 1, Decrypts: 1, Others: 1}.Plus(figures.Tally{Logins: 1, Reads: 3, Decrypts: 5, Others: 7}))
}

func report(m figures.Measurements) figures.Report {
	return figures.Report{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), CPUs: 2, Go: "go1.26.0", Load: "0.25", Versions: map[string]string{"vault": "v1.21.1"}, Rounds: 3,
		Conditions: []string{"Connection pools: warm on both sides."}, Measurements: m,
	}
}

func TestTable(t *testing.T) {
	missed := good()
	missed.Mounts[0].Provider = nil
	missed.Requests[0].Odd = []string{"gtc/pod-1: 2 logins, 3 reads"}
	missed.APIRequests = slices.Repeat([]string{"get /api/v1/secrets"}, 7)
	for name, m := range map[string]figures.Measurements{"reached": good(), "missed": missed} {
		t.Run(name, func(t *testing.T) {
			var table, text bytes.Buffer
			require.NoError(t, report(m).WriteTable(&table))
			require.NoError(t, report(m).WriteJSON(&text))
			golden(t, name+".txt", table.Bytes())
			golden(t, name+".json", text.Bytes())
			assert.True(t, json.Valid(text.Bytes()))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}
