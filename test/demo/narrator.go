package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// step is one chapter.
type step struct {
	title string
	do    func(context.Context) error
}

// narrator prints plain lines.
type narrator struct{ out io.Writer }

// tell runs the steps in order, until one fails.
func (n *narrator) tell(ctx context.Context, steps ...step) error {
	began := time.Now()
	for i, s := range steps {
		fmt.Fprintf(n.out, "\n%2d. %s\n", i+1, s.title)
		stepBegan := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.title, err)
		}
		fmt.Fprintf(n.out, "    (%s)\n", rounded(time.Since(stepBegan)))
	}
	fmt.Fprintf(n.out, "\nEvery step held, in %s.\n", rounded(time.Since(began)))
	return nil
}

// say prints lines below the step's title.
func (n *narrator) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(n.out, "    %s\n", line)
	}
}

func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
