//go:build e2e

package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// request is what Vault's audit log tells of a request that Vault has heard.
type request struct {
	Time    time.Time           `json:"-"`
	Path    string              `json:"path"`
	Headers map[string][]string `json:"headers"`
}

// pod is the UID of the pod for which the provider asks, which it names in a header that the deployer has Vault audit; "" for anybody else's request.
func (r request) pod() string {
	if named := r.Headers["x-greentic-pod"]; len(named) == 1 {
		return named[0][strings.LastIndex(named[0], "/")+1:]
	}
	return ""
}

// requests are all that Vault has heard.
func (s *story) requests(t *testing.T) []request {
	t.Helper()
	log, err := s.Vault.Audit(t.Context())
	require.NoError(t, err)
	var heard []request
	for line := range strings.Lines(log) {
		var entry struct {
			Type    string    `json:"type"`
			Time    time.Time `json:"time"`
			Request request   `json:"request"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		if entry.Type == "request" {
			entry.Request.Time = entry.Time
			heard = append(heard, entry.Request)
		}
	}
	return heard
}

// loginsAt counts the requests to paths that begin with path.
func (s *story) loginsAt(t *testing.T, path string) int {
	t.Helper()
	heard := s.requests(t)
	require.NotEmpty(t, heard, "Vault's audit log is empty")
	return len(slices.DeleteFunc(heard, func(r request) bool { return !strings.HasPrefix(r.Path, path) }))
}

// asked counts the requests for a pod to paths that begin with path.
func (s *story) asked(t *testing.T, pod *corev1.Pod, path string) int {
	t.Helper()
	count, named := 0, 0
	for _, r := range s.requests(t) {
		of := r.pod()
		if of != "" {
			named++
		}
		if strings.HasPrefix(r.Path, path) && of == string(pod.UID) {
			count++
		}
	}
	require.NotZero(t, named, "Vault's audit log names no pods at all")
	return count
}
