//go:build e2e

package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// request is what Vault's audit log tells of a request that Vault has heard.
type request struct {
	Path    string              `json:"path"`
	Headers map[string][]string `json:"headers"`
}

// requests are all that Vault has heard.
func (s *story) requests(t *testing.T) []request {
	t.Helper()
	log, err := s.Vault.Audit(t.Context())
	require.NoError(t, err)
	var heard []request
	for line := range strings.Lines(log) {
		var entry struct {
			Type    string  `json:"type"`
			Request request `json:"request"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		if entry.Type == "request" {
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

// asked counts the requests for a pod to paths that begin with path. The provider names the pod in a header that the deployer has Vault audit.
func (s *story) asked(t *testing.T, pod *corev1.Pod, path string) int {
	t.Helper()
	count, named := 0, 0
	for _, r := range s.requests(t) {
		pods := r.Headers["x-greentic-pod"]
		named += len(pods)
		if strings.HasPrefix(r.Path, path) && len(pods) == 1 && strings.HasSuffix(pods[0], "/"+string(pod.UID)) {
			count++
		}
	}
	require.NotZero(t, named, "Vault's audit log names no pods at all")
	return count
}
