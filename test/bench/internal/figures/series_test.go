package figures_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
)

func ms(times ...float64) figures.Series {
	var s figures.Series
	for _, t := range times {
		s = append(s, time.Duration(t*float64(time.Millisecond)))
	}
	return s
}

func TestSeries(t *testing.T) {
	for name, row := range map[string]struct {
		series           figures.Series
		min, median, max float64
	}{
		"odd":      {ms(5, 1, 9, 2, 3), 1, 3, 9},
		"even":     {ms(4, 1, 2, 10), 1, 3, 10},
		"one":      {ms(7), 7, 7, 7},
		"equal":    {ms(2, 2, 2), 2, 2, 2},
		"outlier":  {ms(1, 1, 1000), 1, 1, 1000},
		"empty":    {nil, 0, 0, 0},
		"two ends": {ms(1, 2), 1, 1.5, 2},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, ms(row.min)[0], row.series.Min())
			assert.Equal(t, ms(row.median)[0], row.series.Median())
			assert.Equal(t, ms(row.max)[0], row.series.Max())
		})
	}
}

func TestMedianLeavesTheOrderAlone(t *testing.T) {
	s := ms(3, 1, 2)
	_ = s.Median()
	assert.Equal(t, ms(3, 1, 2), s)
}

func TestOver(t *testing.T) {
	assert.InDelta(t, 1.5, ms(3, 3, 900).Over(ms(2, 1, 2)), 1e-9, "medians, not means")
	for name, row := range map[string]struct{ s, floor figures.Series }{
		"nothing measured": {nil, ms(1)},
		"no floor":         {ms(1), nil},
		"floor of zero":    {ms(1), ms(0)},
	} {
		assert.True(t, math.IsNaN(row.s.Over(row.floor)), name)
	}
}

func TestSeriesJSON(t *testing.T) {
	text, err := json.Marshal(figures.Series{1234567, 2 * time.Millisecond, time.Second})
	require.NoError(t, err)
	assert.JSONEq(t, `{"min_ms":1.235,"median_ms":2,"max_ms":1000,"all_ms":[1.235,2,1000]}`, string(text))
}
