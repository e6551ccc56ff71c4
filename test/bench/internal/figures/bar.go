package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrMissed is a bar that was not reached.
var ErrMissed = errors.New("bar missed")

// Bar is a limit and what was measured against it. The zero value is reached: nothing, where nothing was allowed.
type Bar struct {
	Name     string
	Measured float64 // NaN if nothing could be measured
	Limit    float64 // the most that Measured may be
	Unit     string  // "" for a count of what Name says
}

// Missed reports whether more was measured than the bar allows, or nothing could be.
func (b Bar) Missed() bool {
	reached := b.Measured <= b.Limit // NaN is not
	return !reached
}

// Err is ErrMissed with the bar's name and figures, or nil.
func (b Bar) Err() error {
	if !b.Missed() {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrMissed, b.Name, b.figures())
}

func (b Bar) figures() string {
	measured := "nothing was measured"
	if !math.IsNaN(b.Measured) {
		measured = strings.TrimSpace(number(b.Measured) + " " + b.Unit)
	}
	return fmt.Sprintf("%s, at most %s", measured, number(b.Limit))
}

// MarshalJSON writes null for what could not be measured.
func (b Bar) MarshalJSON() ([]byte, error) {
	var measured *float64
	if !math.IsNaN(b.Measured) && !math.IsInf(b.Measured, 0) {
		rounded := math.Round(b.Measured*1000) / 1000
		measured = &rounded
	}
	return json.Marshal(struct {
		Name     string   `json:"name"`
		Measured *float64 `json:"measured"`
		Limit    float64  `json:"limit"`
		Unit     string   `json:"unit"`
		Missed   bool     `json:"missed"`
	}{b.Name, measured, b.Limit, b.Unit, b.Missed()})
}

// number has three digits after the point unless it is a round number.
func number(f float64) string {
	if f == math.Trunc(f) {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}
