//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// metric is a metric of the provider's, by its name and labels as it writes them; 0 where there is none.
func (s *story) metric(t *testing.T, name string) (value int) {
	t.Helper()
	s.eventually(t, "the provider's metrics", func(ctx context.Context) (err error) {
		value, err = s.metricNow(ctx, name)
		return err
	})
	return value
}

func (s *story) metricNow(ctx context.Context, name string) (int, error) {
	providers, err := s.Providers(ctx)
	if err != nil {
		return 0, err
	}
	if len(providers) != 1 {
		return 0, fmt.Errorf("there are %d providers", len(providers))
	}
	text, err := s.Metrics(ctx, providers[0].Name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if written, found := strings.CutPrefix(line, name+" "); found {
			var number float64
			_, err := fmt.Sscan(written, &number)
			return int(number), err
		}
	}
	return 0, nil
}
