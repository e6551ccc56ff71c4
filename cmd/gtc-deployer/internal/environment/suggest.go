package environment

import (
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// suggest names the known word that a misspelled one was meant to be, or all of them.
func suggest(word string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	if name := faults.Nearest(word, known); name != "" {
		return "did you mean " + name + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}
