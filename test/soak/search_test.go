package soak_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// foreign says which reads at Vault were not for the badge that asked. Source: the policies' names, which are the scopes'.
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
		own := e.Login() || e.Path == "transit/decrypt/greentic" || strings.HasPrefix(e.Path, "auth/token/") && strings.HasSuffix(e.Path, "-self")
		for _, policy := range e.Policies {
			if scope, found := strings.CutPrefix(policy, "gtc."); found {
				parts := strings.Split(scope, ".")
				place := "secret/data/greentic/" + parts[0] + "/" + parts[1] + "/"
				own = own || strings.HasPrefix(e.Path, place+parts[2]+"/") || strings.HasPrefix(e.Path, place+"_/")
			}
		}
		assert.True(t, own, "%s %s by %v", e.Operation, e.Path, e.Policies)
	}
	assert.Positive(t, asked)
	s.counts["request at Vault"] = asked
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
