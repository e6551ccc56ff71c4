//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// canaries are the secrets of all suites. Hidden ones must never be found anywhere but in Vault's hands and the pods' memory; synced ones lie in
// Secrets because somebody asked for that, so that a search which does not find them has not searched.
type canaries struct {
	mu             sync.Mutex // guards what follows
	hidden, synced canary.Set
}

// secret is a fresh hidden value.
func (s *story) secret(t *testing.T, prefix string) string {
	t.Helper()
	return fresh(t, &harness.canaries.hidden, s.id(" "+prefix), prefix)
}

// syncedSecret is a fresh value that will lie in a Secret.
func (s *story) syncedSecret(t *testing.T, prefix string) string {
	t.Helper()
	return fresh(t, &harness.canaries.synced, s.id(" "+prefix), prefix)
}

func fresh(t *testing.T, set *canary.Set, name, prefix string) string {
	t.Helper()
	random := rand.Text()
	harness.canaries.mu.Lock()
	defer harness.canaries.mu.Unlock()
	require.NoError(t, set.Add(name, random))
	return prefix + random
}
