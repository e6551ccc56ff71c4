package hour_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/bench/hour"
)

var (
	full   = flag.Bool("full", false, "simulate all 100 nodes, and compare the plots and README.md's figures")
	update = flag.Bool("update", false, "with -full: write the plots and the figures")
)

const (
	nodes    = 100
	podsEach = 100
	plots    = "../plots"
	readme   = "../../../README.md"
)

// TestHour asserts what is promised of an hour of 10,000 pods, on 100 nodes or fewer: then peaks are looked for in windows that are so much
// longer, which have as many requests in them.
func TestHour(t *testing.T) {
	some := nodes / 10
	if *full {
		some = nodes
	}
	result := hour.Result{Pods: some * podsEach}
	for name, row := range map[string]struct {
		replicas int
		load     *hour.Load
		share    float64 // at most, of the peer's, the start included
	}{
		"without replicas": {1, &result.Alone, 0.3},
		"with ten":         {10, &result.Tens, 1.0 / 20},
	} {
		t.Run(name, func(t *testing.T) {
			loads := simulate(t, hour.Cluster{Nodes: some, Pods: podsEach, Replicas: row.replicas, Secrets: 3, Seed: 1})
			*row.load, result.Peer = loads.Ours, loads.Peer
			f := loads.Ours.Figures(loads.Peer, result.Pods, nodes/some)
			t.Logf("%+v", f)
			assert.LessOrEqual(t, f.Share, row.share, "of the peer's requests, over the whole hour")
			assert.LessOrEqual(t, f.Again, 5.0, "requests a pod until all were answered again")
			assert.LessOrEqual(t, f.Peak, 1.5, "peak over mean, from the second interval on")
		})
	}
	if *full && !t.Failed() {
		current(t, result)
	}
}

func simulate(t *testing.T, c hour.Cluster) (loads hour.Loads) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		loads, err = hour.Run(c)
		require.NoError(t, err)
	})
	return loads
}

// current compares what is made of the result with what is there, or writes it.
func current(t *testing.T, r hour.Result) {
	t.Helper()
	const begin, end = "<!-- hour:begin -->\n", "<!-- hour:end -->"
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "README.md has no marker %s", begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "README.md has no marker %s", end)
	files := map[string][]byte{readme: []byte(before + begin + r.Table() + end + after)}
	for name, picture := range r.Pictures() {
		files[filepath.Join(plots, name)] = picture
	}
	for file, want := range files {
		if *update {
			require.NoError(t, os.WriteFile(file, want, 0o644))
			continue
		}
		present, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.True(t, string(want) == string(present), "%s is not current: run make generate", file)
	}
}

func TestAnHourIsRepeatable(t *testing.T) {
	c := hour.Cluster{Nodes: 2, Pods: 20, Replicas: 2, Secrets: 3, Seed: 7}
	first := simulate(t, c)
	assert.Equal(t, first, simulate(t, c))
	c.Seed++
	assert.NotEqual(t, first.Ours, simulate(t, c).Ours)
}

// TestThePeerIsModelled has single pods of three secrets, whose requests can be counted by hand.
func TestThePeerIsModelled(t *testing.T) {
	loads := simulate(t, hour.Cluster{Nodes: 1, Pods: 1, Replicas: 1, Secrets: 3, Seed: 1})
	calls := 0
	for _, requests := range loads.Peer {
		if requests > 0 {
			calls++
		}
	}
	assert.InDelta(t, 48, calls, 3, "a call every 60 to 90 s")
	assert.Equal(t, 3*calls+1+2+2, loads.Peer.Total(), "a login; and twice a token that has ended: a refused read, and a login")
}

func TestPeaks(t *testing.T) {
	l := hour.Load{1, 3, 2, 2, 9}
	assert.InDelta(t, 9/3.4, l.Peak(1), 1e-9)
	assert.InDelta(t, 4/6.8, l.Peak(2), 1e-9, "the last window is no whole stretch")
	assert.Equal(t, 17, l.Total())
	assert.InDelta(t, 0.34, l.Mean(), 1e-9)
}
