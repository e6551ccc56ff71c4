package figures

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Series are the wall-clock times of one thing that was done several times, in the order in which it was done.
type Series []time.Duration

// Min is the shortest time; 0 of an empty series.
func (s Series) Min() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}

// Max is the longest time; 0 of an empty series.
func (s Series) Max() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

// Median is the middle time, of an even number the mean of the two in the middle; 0 of an empty series.
func (s Series) Median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Over is how many times longer s takes than floor, median by median. It is NaN if either is empty.
func (s Series) Over(floor Series) float64 {
	if s.Median() <= 0 || floor.Median() <= 0 {
		return math.NaN()
	}
	return float64(s.Median()) / float64(floor.Median())
}

// MarshalJSON writes the times in milliseconds.
func (s Series) MarshalJSON() ([]byte, error) {
	all := make([]float64, len(s))
	for i, d := range s {
		all[i] = milliseconds(d)
	}
	return json.Marshal(struct {
		Min    float64   `json:"min_ms"`
		Median float64   `json:"median_ms"`
		Max    float64   `json:"max_ms"`
		All    []float64 `json:"all_ms"`
	}{milliseconds(s.Min()), milliseconds(s.Median()), milliseconds(s.Max()), all})
}

// milliseconds is rounded to a microsecond: the clock is good for that, and no more is worth reading.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
