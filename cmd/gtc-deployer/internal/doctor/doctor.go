package doctor

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
)

// Status is how a link of the chain is. The zero value is none.
type Status string

// The statuses, as they are printed.
const (
	OK      Status = "ok"
	Warning Status = "warn" // mounts work without it
	Failure Status = "FAIL"
)

// Finding is what is said of one link.
type Finding struct {
	Status Status
	Object string // what was looked at: "CSIDriver secrets-store.csi.k8s.io"
	Says   string // what holds; or what does not, and what comes of it
	Next   string // what to do; "" where there is nothing, or where Report.Values says it
}

// Report is all that was found.
type Report struct {
	Findings []Finding // in the order of a mount
	Values   Values    // of the driver's chart, to be set; zero if it needs none
}

// Failed is how many links failed.
func (r *Report) Failed() int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == Failure {
			n++
		}
	}
	return n
}

// Check looks at every link for pods whose tokens have these audiences. An error is a cluster that does not answer; everything that an
// answer shows is a finding.
func Check(ctx context.Context, client dynamic.Interface, audiences []string) (*Report, error) {
	c := checks{cluster: cluster{client}, audiences: audiences, report: &Report{}}
	for _, link := range []func(context.Context) error{c.csiDriver, c.daemonSets, c.admission} {
		if err := link(ctx); err != nil {
			return nil, err
		}
	}
	return c.report, nil
}

// checks are the links being looked at.
type checks struct {
	cluster   cluster
	audiences []string
	report    *Report
}

// link is one object, on which findings are made.
type link struct {
	report *Report
	object string
}

func (c *checks) at(object string) link { return link{c.report, object} }

func (l link) ok(format string, args ...any) { l.find(OK, "", format, args...) }

func (l link) find(status Status, next, format string, args ...any) {
	l.report.Findings = append(l.report.Findings, Finding{Status: status, Object: l.object, Says: fmt.Sprintf(format, args...), Next: next})
}
