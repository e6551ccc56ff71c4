package environment

import (
	"slices"
	"strings"
)

// suggest names the known word that a misspelled one was meant to be, or all of them.
func suggest(word string, known []string) string {
	const near = 2
	best, distance := "", near+1
	for _, candidate := range slices.Sorted(slices.Values(known)) {
		if d := edits(strings.ToLower(word), candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// edits is the Levenshtein distance of a and b in bytes; it gives up, with a distance that is too large, where a is long.
func edits(a, b string) int {
	const longest = 64
	if len(a) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
