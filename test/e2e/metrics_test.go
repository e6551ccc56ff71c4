//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// metric is a metric of the provider's, by its name and labels as it writes them; 0 where there is none.
func (s *story) metric(t *testing.T, name string) int {
	t.Helper()
	providers, err := s.Providers(t.Context())
	require.NoError(t, err)
	require.Len(t, providers, 1)
	text, err := s.Metrics(soon(t), providers[0].Name)
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			var number float64
			_, err := fmt.Sscan(value, &number)
			require.NoError(t, err)
			return int(number)
		}
	}
	return 0
}
