package soak_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// foreign says which requests at Vault were not for the pod that they were made for, as the provider tells Vault and Vault audits it. Vault's
// own list of policies would not do: it is empty where a token was revoked.
func (s *soak) foreign(t *testing.T) {
	t.Helper()
	entries, err := s.AuditSince(s.mark)
	require.NoError(t, err)
	asked := 0
	for _, e := range entries {
		if e.Type != "request" || slices.Contains(e.Policies, "root") {
			continue
		}
		asked++
		pod := strings.Join(e.Headers["x-greentic-pod"], " and ")
		assert.True(t, isOwn(pod, e.Path), "%s %s for %q", e.Operation, e.Path, pod)
	}
	assert.Positive(t, asked)
	s.counts["request at Vault"] = asked
}

// isOwn says whether a path may be asked for by a pod, which is its namespace, name and UID.
func isOwn(pod, path string) bool {
	switch path {
	case "auth/kubernetes/login", "transit/decrypt/greentic":
		return pod != ""
	case "auth/token/renew-self", "auth/token/revoke-self", "sys/leases/renew", "sys/leases/revoke": // of what only its owner knows
		return pod != ""
	}
	for _, scope := range []secretref.Scope{sales, support} {
		if strings.HasPrefix(pod, badge.For(badge.LayoutScope, scope).Namespace+"/") {
			place := "secret/data/greentic/" + scope.Env() + "/" + scope.Tenant() + "/"
			return strings.HasPrefix(path, place+scope.Team()+"/") || strings.HasPrefix(path, place+"_/") || path == "database/creds/"+badge.Role(scope)
		}
	}
	return false
}

// TestIsOwn shows that the audit would tell.
func TestIsOwn(t *testing.T) {
	t.Parallel()
	const pod = "gtc-prod--acme--sales/pod-1/uid"
	assert.True(t, isOwn(pod, "secret/data/greentic/prod/acme/sales/a/b"))
	assert.True(t, isOwn(pod, "secret/data/greentic/prod/acme/_/a/b"))
	assert.True(t, isOwn(pod, "database/creds/gtc.prod.acme.sales"))
	assert.False(t, isOwn(pod, "secret/data/greentic/prod/acme/support/a/b"))
	assert.False(t, isOwn(pod, "database/creds/gtc.prod.acme.support"))
	assert.False(t, isOwn(pod, "sys/policies"))
	assert.False(t, isOwn("", "auth/kubernetes/login"))
}

// leaks looks for every value, data key and token in all logs, in what was said to clients, and in events.
func (s *soak) leaks(t *testing.T) {
	t.Helper()
	s.front.mu.Lock()
	for token := range s.front.tokens {
		s.canary("a pod's Vault token", token)
	}
	s.front.mu.Unlock()
	events, err := s.Clientset().CoreV1().Events("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, events.Items)
	text, err := events.Marshal()
	require.NoError(t, err)
	s.heard(string(text))

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.spoken {
		for _, needle := range s.canaries.Find([]byte(text)) {
			t.Errorf("leak: %s (%s) in what was said", needle.Name, needle.Form)
		}
	}
	places, files, err := s.canaries.FindUnder(s.Dir() + "/logs")
	require.NoError(t, err)
	assert.Greater(t, files, 5)
	for _, place := range places {
		t.Errorf("leak: %s", place)
	}
}

// races looks for what the race detector and a crash write.
func (s *soak) races(t *testing.T) {
	t.Helper()
	for _, p := range []*provider{s.mortal, s.steady} {
		text, err := os.ReadFile(p.process.Log())
		require.NoError(t, err)
		for _, word := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if _, rest, found := strings.Cut(string(text), word); found {
				t.Errorf("provider %s: %s%s", p.name, word, rest[:min(len(rest), 4000)])
			}
		}
	}
}
