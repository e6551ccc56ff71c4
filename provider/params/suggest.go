package params

import "strings"

// suggest ends a fault about an unknown name: with the known name that was probably meant, or with all of them.
func suggest(unknown string, known []string) string {
	const longest = 64 // what is longer than every name by this much is no typing error
	if len(unknown) <= longest {
		best, least := "", 3
		for _, name := range known {
			d := distance(strings.ToLower(unknown), strings.ToLower(name))
			if d < least && d < len(name) {
				best, least = name, d
			}
		}
		if best != "" {
			return `did you mean "` + best + `"?`
		}
	}
	return "known are " + strings.Join(known, ", ")
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
