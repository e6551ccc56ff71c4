// Package narrator tells a story on plain lines: chapters that are timed, and what was measured in them.
package narrator

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Step is one chapter.
type Step struct {
	Title string
	Do    func(context.Context) error
}

// Narrator prints on Out, which has to be set.
type Narrator struct {
	Out      io.Writer
	measured []string
}

// Tell runs the steps in order, until one fails.
func (n *Narrator) Tell(ctx context.Context, steps ...Step) error {
	began := time.Now()
	for i, s := range steps {
		fmt.Fprintf(n.Out, "\n%2d. %s\n", i+1, s.Title)
		stepBegan := time.Now()
		if err := s.Do(ctx); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.Title, err)
		}
		fmt.Fprintf(n.Out, "    (%s)\n", Rounded(time.Since(stepBegan)))
	}
	fmt.Fprintf(n.Out, "\nEvery step held, in %s.\n", Rounded(time.Since(began)))
	return nil
}

// Say prints lines below the step's title.
func (n *Narrator) Say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(n.Out, "    %s\n", line)
	}
}

// Measure keeps a line for Measured.
func (n *Narrator) Measure(format string, args ...any) {
	n.measured = append(n.measured, fmt.Sprintf(format, args...))
}

// Measured says all that was measured.
func (n *Narrator) Measured() { n.Say("%s", strings.Join(n.measured, "\n")) }

// Rounded is a duration as a person wants to read it.
func Rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// Wrapped is a text in lines of a width, broken between words.
func Wrapped(text string, width int) string {
	var lines strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		if length > 0 && length+1+len(word) > width {
			lines.WriteString("\n")
			length = 0
		}
		if length > 0 {
			lines.WriteString(" ")
			length++
		}
		lines.WriteString(word)
		length += len(word)
	}
	return lines.String()
}

// Write is Say for whoever writes whole lines.
func (n *Narrator) Write(text []byte) (int, error) {
	n.Say("%s", text)
	return len(text), nil
}
