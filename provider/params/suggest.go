package params

import (
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// suggest ends a fault about an unknown name: with the known name that was probably meant, or with all of them.
func suggest(unknown string, known []string) string {
	if name := faults.Nearest(unknown, known); name != "" {
		return `did you mean "` + name + `"?`
	}
	return "known are " + strings.Join(known, ", ")
}
