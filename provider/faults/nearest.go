package faults

import "strings"

// Nearest is the word of known that was probably meant by word, which is none of them: at most two typing errors away, whatever the case.
// Of several equally near ones it is the first; "" is none.
func Nearest(word string, known []string) string {
	const (
		longest = 64 // what is longer than every word by this much is no typing error
		near    = 2
	)
	if len(word) > longest {
		return ""
	}
	best, least := "", near+1
	for _, candidate := range known {
		// A word of which every letter is wrong was not meant.
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many bytes must be added, removed, replaced or swapped with their neighbour to make b of a (optimal string
// alignment).
func distance(a, b string) int {
	var beforeLast []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := 1
			if a[i-1] == b[j-1] {
				changed = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, row
	}
	return last[len(b)]
}
