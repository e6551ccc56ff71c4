package hour

import (
	"slices"
	"time"
)

// Window is how finely requests are counted.
const Window = 10 * time.Second

// Load is the requests at Vault, window by window.
type Load []int

func newLoad() Load { return make(Load, time.Hour/Window) }

// Between is the part from one time to another, both at whole windows.
func (l Load) Between(from, to time.Duration) Load { return l[from/Window : to/Window] }

// Total is how many requests there were.
func (l Load) Total() (total int) {
	for _, requests := range l {
		total += requests
	}
	return total
}

// Mean is how many there were in a second.
func (l Load) Mean() float64 { return float64(l.Total()) / (time.Duration(len(l)) * Window).Seconds() }

// Peak is the fullest stretch over the mean one, where a stretch is as many windows as width says, and what is left at the end is none.
func (l Load) Peak(width int) float64 {
	var stretches []int
	for part := range slices.Chunk(l, width) {
		if len(part) == width {
			stretches = append(stretches, part.Total())
		}
	}
	return float64(slices.Max(stretches)) / (l.Mean() * float64(width) * Window.Seconds())
}
