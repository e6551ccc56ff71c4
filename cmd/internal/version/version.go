// Package version says which build a program is. It goes by what the Go tool recorded in the program, so that nothing has to be stamped
// and no build can say something else than it is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// none is the version of a build whose module has none, such as a test's.
const none = "0.0.0-devel"

// Number is the running program's version, a semantic version without a "v" before it: the driver asks providers for such a one. Of a
// release it is three numbers.
func Number() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return none
	}
	return Of(info)
}

// Of is Number of the program that info is of.
func Of(info *debug.BuildInfo) string {
	if number, tagged := strings.CutPrefix(info.Main.Version, "v"); tagged {
		return number
	}
	const enough = 12 // of a revision, as in a Go pseudo-version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= enough {
			return none + "+" + setting.Value[:enough]
		}
	}
	return none
}

// Line is what program prints for --version: "<program> <version> (<go version>, <os>/<arch>)", without a line's end.
func Line(program string) string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", program, Number(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
