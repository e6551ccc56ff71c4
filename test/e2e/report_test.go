//go:build e2e

package e2e_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// report is what is printed at the end and written to build/e2e.json.
type report struct {
	began  time.Time
	Start  float64  `json:"startSeconds"` // from nothing to a cluster with driver, Vault and chart
	Suites []result `json:"suites"`
	Total  float64  `json:"seconds"`
}

// result is one suite's.
type result struct {
	Number   int      `json:"suite"`
	What     string   `json:"what"`
	Seconds  float64  `json:"seconds"`
	OK       bool     `json:"ok"`
	Measured []string `json:"measured,omitempty"`
}

func (r *report) ready() { r.Start = seconds(time.Since(r.began)) }

func (r *report) add(suite result) { r.Suites = append(r.Suites, suite) }

// write prints the report and writes it to path.
func (r *report) write(out io.Writer, path string) error {
	r.Total = seconds(time.Since(r.began))
	slices.SortFunc(r.Suites, func(a, b result) int { return cmp.Compare(a.Number, b.Number) })
	fmt.Fprintf(out, "\n%5s  %-92s %8s\n", "suite", "what", "seconds")
	fmt.Fprintf(out, "%5s  %-92s %8.1f\n", "", "cluster, images, driver, Vault and chart", r.Start)
	for _, suite := range r.Suites {
		verdict := "ok"
		if !suite.OK {
			verdict = "FAIL"
		}
		fmt.Fprintf(out, "%5d  %-92s %8.1f  %s\n", suite.Number, suite.What, suite.Seconds, verdict)
		for _, line := range suite.Measured {
			fmt.Fprintf(out, "%5s    %s\n", "", line)
		}
	}
	fmt.Fprintf(out, "%5s  %-92s %8.1f\n\n", "", "all", r.Total)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(text, '\n'), 0o644))
}

func seconds(d time.Duration) float64 { return d.Round(100 * time.Millisecond).Seconds() }
