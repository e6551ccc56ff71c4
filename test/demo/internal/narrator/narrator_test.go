package narrator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
)

func TestAStoryEndsWithTheFirstStepThatDoesNotHold(t *testing.T) {
	var out strings.Builder
	n := &narrator.Narrator{Out: &out}
	told := n.Tell(t.Context(), narrator.Step{Title: "One", Do: func(context.Context) error {
		n.Say("a\nb\n")
		n.Measure("%d of %d", 1, 2)
		n.Measured()
		_, err := fmt.Fprintf(n, "%s\n", "written")
		return err
	}})
	require.NoError(t, told)
	for _, line := range []string{"\n 1. One\n", "\n    a\n    b\n", "\n    1 of 2\n", "\n    written\n", "\nEvery step held, in "} {
		assert.Contains(t, out.String(), line)
	}
	broken := errors.New("broken")
	ran := false
	err := n.Tell(t.Context(),
		narrator.Step{Title: "Two", Do: func(context.Context) error { return broken }},
		narrator.Step{Title: "Three", Do: func(context.Context) error { ran = true; return nil }})
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, `step 1, "Two": broken`)
	assert.False(t, ran)
	assert.Equal(t, 1, strings.Count(out.String(), "Every step held"))
}

func TestTextsForAPerson(t *testing.T) {
	assert.Equal(t, "12.3ms", narrator.Rounded(12345*time.Microsecond).String())
	assert.Equal(t, "1.23s", narrator.Rounded(1234567*time.Microsecond).String())
	assert.Equal(t, "one two\nthree", narrator.Wrapped("one  two\nthree", 8))
	assert.Equal(t, "longer-than-this\nx", narrator.Wrapped("longer-than-this x", 4))
	assert.Empty(t, narrator.Wrapped(" ", 4))
}
