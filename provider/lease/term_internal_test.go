package lease

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// jumped is t on a machine whose wall clock was set by that much: its other clock is as it was. See package session's test of the same.
func jumped(t time.Time, by time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall = uint64(int64(*wall) + int64(by/time.Second)<<30)
	return t
}

// TestATermByBothClocks: what lasts an hour is over after it by either clock, and a clock that is set back makes nothing last longer.
func TestATermByBothClocks(t *testing.T) {
	made := time.Now()
	for name, row := range map[string]struct {
		went, jump time.Duration
		due, over  bool
	}{
		"at once":                     {},
		"set forwards by two hours":   {jump: 2 * time.Hour, due: true, over: true},
		"set back by two hours":       {jump: -2 * time.Hour},
		"set back, and time goes on":  {went: 50 * time.Minute, jump: -2 * time.Hour, due: true},
		"set back, and its end comes": {went: time.Hour, jump: -2 * time.Hour, due: true, over: true},
		"time goes on":                {went: 50 * time.Minute, due: true},
	} {
		t.Run(name, func(t *testing.T) {
			now := jumped(made.Add(row.went), row.jump)
			assert.Equal(t, row.due, renewable(time.Hour, made).isDue(now))
			assert.Equal(t, row.over, renewable(time.Hour, made).isOver(now))
			assert.False(t, renewable(time.Hour, now).isOver(now), "what is made after the jump lasts again: no storm")
			assert.False(t, term{}.isOver(now))
		})
	}
}
