package figures

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// Report is one run, for a reader.
type Report struct {
	Time         time.Time         `json:"time"`
	CPUs         int               `json:"cpus"`
	Go           string            `json:"go"`
	Versions     map[string]string `json:"versions"` // of the lab's servers
	Load         string            `json:"load"`     // the machine's load average before the run; "" if it has none
	Rounds       int               `json:"rounds"`
	Conditions   []string          `json:"conditions"` // what a reader must know to judge the figures, one sentence each
	Measurements Measurements      `json:"measurements"`
}

// WriteJSON writes the report with its bars, for programs.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		Report
		Bars   []Bar `json:"bars"`
		Passed bool  `json:"passed"`
	}{r, r.Measurements.Bars(), r.Measurements.Err() == nil})
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	m := r.Measurements
	line(table, fmt.Sprintf("milliseconds, %s", plural(r.Rounds, "round")), "", "times", "min", "median", "max", "ratio")
	for _, mounts := range m.Mounts {
		series(table, mounts.name(), "bare HTTP (floor)", mounts.Floor, "")
		series(table, "", "provider", mounts.Provider, ratio(mounts.Provider, mounts.Floor))
	}
	series(table, fmt.Sprintf("republishes, %s", plural(m.Republishes.Pods, "pod")), "gRPC echo", m.Republishes.Echo, "")
	series(table, "", "provider", m.Republishes.Provider, ratio(m.Republishes.Provider, m.Republishes.Echo))
	for _, calls := range m.Echo {
		series(table, plural(calls.Calls, "call"), "gRPC echo", calls.Times, "")
	}
	series(table, "start to first answer", "empty gRPC server", m.EmptyStart, "")
	series(table, "", "provider", m.Start, ratio(m.Start, m.EmptyStart))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return r.writeRest(w)
}

func (r Report) writeRest(w io.Writer) error {
	text := &lines{w: w}
	text.printf("")
	for _, requests := range r.Measurements.Requests {
		text.printf("requests at Vault for %d %s: %s", requests.Calls, requests.What, requests.Total)
		text.list("differs", requests.Odd)
	}
	r.writeReplicas(text)
	text.list("at the API server from the provider", r.Measurements.APIRequests)
	text.printf("the provider's memory at its peak: %.1f MiB", float64(r.Measurements.Peak)/mebibyte)
	text.printf("the machine's load average before the run: %s of %s", r.Load, plural(r.CPUs, "CPU"))
	text.printf("")
	for _, bar := range r.Measurements.Bars() {
		verdict := "reached"
		if bar.Missed() {
			verdict = "MISSED "
		}
		text.printf("%s  %s: %s", verdict, bar.Name, bar.figures())
	}
	text.printf("")
	for _, condition := range r.Conditions {
		text.printf("%s", condition)
	}
	return text.err
}

func (r Report) writeReplicas(text *lines) {
	m := r.Measurements.Replicas
	for i := range m.Cold {
		text.printf("requests at Vault for %d replicas cold at once: %s", m.Pods, m.Cold[i])
	}
	for i := range m.Due {
		text.printf("requests at Vault for %d replicas whose refresh is due: %s", m.Pods, m.Due[i])
	}
	text.list("differs", m.Odd)
}

func line(w io.Writer, cells ...any) {
	for _, cell := range cells {
		_, _ = fmt.Fprintf(w, "%s\t", cell) // a tabwriter's error is its Flush's
	}
	_, _ = fmt.Fprintln(w)
}

func ratio(s, floor Series) string {
	if times := s.Over(floor); !math.IsNaN(times) {
		return fmt.Sprintf("%.2f", times)
	}
	return "-"
}

func series(w io.Writer, what, who string, s Series, ratio string) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", milliseconds(d)) }
	line(w, what, who, fmt.Sprint(len(s)), ms(s.Min()), ms(s.Median()), ms(s.Max()), ratio)
}

// lines writes lines until one fails.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) printf(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

// list shows the first of what went wrong: what is wrong with one mount tends to be wrong with all.
func (l *lines) list(what string, items []string) {
	const most = 5
	for _, item := range items[:min(most, len(items))] {
		l.printf("  %s: %s", what, item)
	}
	if rest := len(items) - most; rest > 0 {
		l.printf("  %s: and %d more", what, rest)
	}
}
