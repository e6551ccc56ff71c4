package hour

import (
	"fmt"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/plot"
)

// Figures are what is said of an hour.
type Figures struct {
	Mean   float64 // requests a second over the whole hour, the start included
	Share  float64 // of what the peer asks in that time
	Steady float64 // the same share, from the second interval on
	Again  float64 // requests a pod until every pod was answered again
	First  float64 // requests a pod in the first interval, with the refreshes that fall into it
	Peak   float64 // the fullest stretch over the mean one, from the second interval on
}

// Figures are those of load, beside the peer's, for so many pods. Peaks are looked for in stretches of width windows.
func (l Load) Figures(peer Load, pods, width int) Figures {
	later := func(l Load) Load { return l.Between(Interval, time.Hour) }
	each := func(until time.Duration) float64 { return float64(l.Between(0, until).Total()) / float64(pods) }
	return Figures{
		Mean: l.Mean(), Share: l.Mean() / peer.Mean(), Steady: later(l).Mean() / later(peer).Mean(),
		Again: each(latest), First: each(Interval), Peak: later(l).Peak(width),
	}
}

// Result is the same hour of two clusters: one without replicas, and one with ten pods of a badge and class on a node.
type Result struct {
	Pods        int
	Peer        Load // which replicas make no difference to
	Alone, Tens Load
}

// Table is the figures for the README.
func (r Result) Table() string {
	peer, alone, tens := r.Peer.Figures(r.Peer, r.Pods, 1), r.Alone.Figures(r.Peer, r.Pods, 1), r.Tens.Figures(r.Peer, r.Pods, 1)
	var table strings.Builder
	table.WriteString("| | vault-csi-provider, modelled | this, without replicas | this, ten replicas on a node |\n|---|---|---|---|\n")
	row := func(what, format string, of func(Figures) float64) {
		fmt.Fprintf(&table, "| %s | "+format+" | "+format+" | "+format+" |\n", what, of(peer), of(alone), of(tens))
	}
	row("requests a second at Vault, over the whole hour", "%.1f", func(f Figures) float64 { return f.Mean })
	row("of vault-csi-provider's", "%.3f", func(f Figures) float64 { return f.Share })
	row("the same, from the second interval on", "%.3f", func(f Figures) float64 { return f.Steady })
	row("requests a pod until all were answered again, 90 s", "%.2f", func(f Figures) float64 { return f.Again })
	row("requests a pod in the first interval, all of them", "%.2f", func(f Figures) float64 { return f.First })
	row("the fullest 10 s over the mean, from the second interval on", "%.2f", func(f Figures) float64 { return f.Peak })
	return table.String()
}

// Pictures are the plots by file name: the hour, and what the start costs.
func (r Result) Pictures() map[string][]byte {
	lines := func(of func(Load) []plot.Point) []plot.Line {
		return []plot.Line{
			{Name: "vault-csi-provider (model)", Points: of(r.Peer)},
			{Name: "gtc-csi-provider", Points: of(r.Alone)},
			{Name: "gtc-csi-provider, 10 replicas a node", Points: of(r.Tens)},
		}
	}
	return map[string][]byte{
		"hour.svg": plot.Chart{
			Title: "Requests at Vault: 10,000 pods of 3 secrets on 100 nodes, all providers start at 0",
			X:     plot.Axis{Label: "minutes", Max: 60, Step: 5},
			Y:     plot.Axis{Label: "requests a second, in 10 s windows", Max: 700, Step: 100}, Lines: lines(rates),
		}.SVG(),
		"restart.svg": plot.Chart{
			Title: "After all providers start at once: requests a pod so far",
			X:     plot.Axis{Label: "minutes since the start", Max: 10, Step: 1},
			Y:     plot.Axis{Label: "requests a pod, summed up", Max: 25, Step: 5}, Lines: lines(r.summedUp),
		}.SVG(),
	}
}

// rates are requests a second, each at the middle of its window.
func rates(l Load) (points []plot.Point) {
	for i, requests := range l {
		points = append(points, plot.Point{X: (Window * time.Duration(2*i+1) / 2).Minutes(), Y: float64(requests) / Window.Seconds()})
	}
	return points
}

// summedUp are the requests a pod up to each window's end, for ten minutes.
func (r Result) summedUp(l Load) []plot.Point {
	points, total := []plot.Point{{}}, 0
	for i, requests := range l.Between(0, 10*time.Minute) {
		total += requests
		points = append(points, plot.Point{X: (Window * time.Duration(i+1)).Minutes(), Y: float64(total) / float64(r.Pods)})
	}
	return points
}
