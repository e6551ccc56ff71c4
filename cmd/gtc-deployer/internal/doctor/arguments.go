package doctor

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// argument is the last value that the container's command line gives to a flag, as Go's package flag reads it.
func argument(container *corev1.Container, name string) (value string, given bool) {
	words := slices.Concat(container.Command, container.Args)
	for i, word := range words {
		flag, rest, ok := flagIn(word)
		switch {
		case !ok || flag != name:
		case rest != nil:
			value, given = *rest, true
		case name == rotationFlag: // a boolean takes no word of its own
			value, given = "true", true
		case i+1 < len(words):
			value, given = words[i+1], true
		}
	}
	return value, given
}

// flagIn takes a word of a command line apart; rest is nil without "=".
func flagIn(word string) (name string, rest *string, ok bool) {
	name, found := strings.CutPrefix(word, "-")
	if !found {
		return "", nil, false
	}
	name = strings.TrimPrefix(name, "-")
	if before, after, cut := strings.Cut(name, "="); cut {
		return before, &after, true
	}
	return name, nil, true
}
