package kubeapi

import (
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
)

// Status is what the API server says of a request that it refuses, without its message. The zero Status says nothing.
// See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
type Status struct {
	Code   int      // as HTTP has it
	Causes []string // words such as NamespaceTerminating
}

// ParseStatus reads a Status. What is none is the zero Status: whoever asks knows HTTP's own status in any case.
func ParseStatus(text []byte) Status {
	o, err := exactjson.Parse(text)
	if err != nil {
		return Status{}
	}
	if kind, err := o.Text("kind"); err != nil || kind != "Status" {
		return Status{}
	}
	var s Status
	if o.Read("code", &s.Code) != nil {
		s.Code = 0
	}
	details, err := o.Object("details")
	if err != nil {
		return s
	}
	var causes []exactjson.Object
	if details.Read("causes", &causes) != nil {
		return s
	}
	for _, cause := range causes {
		if reason, err := cause.Text("reason"); err == nil {
			s.Causes = append(s.Causes, reason)
		}
	}
	return s
}

// Because reports whether cause is one of the reasons.
func (s Status) Because(cause string) bool { return slices.Contains(s.Causes, cause) }
