package params

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// Limits of a path, as the driver has them (secrets-store-csi-driver 1.6, pkg/util/fileutil).
const (
	longestPath = 4096
	longestPart = 255
)

// checkPath says why the driver could not write a file p. Its own check comes after Vault has been read, and says less.
func checkPath(p string) error {
	switch {
	case p == "" || p == ".":
		return fmt.Errorf("%s is no file", faults.Quote(p))
	case len(p) > longestPath:
		return fmt.Errorf("%s has %d bytes, more than %d", faults.Quote(p), len(p), longestPath)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return fmt.Errorf("%s holds a control character or is not UTF-8", faults.Quote(p))
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%s is absolute; name the file relative to the volume", faults.Quote(p))
	case strings.HasPrefix(p, ".."):
		return fmt.Errorf(`%s starts with "..", which the driver keeps for itself`, faults.Quote(p))
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return fmt.Errorf(`%s has a part ".."; name the file from the volume downwards`, faults.Quote(p))
		case len(part) > longestPart:
			return fmt.Errorf("%s has a part of %d bytes, more than %d", faults.Quote(p), len(part), longestPart)
		}
	}
	if path.Clean(p) != p {
		return fmt.Errorf("%s is not the shortest way to write the path; write %s", faults.Quote(p), faults.Quote(path.Clean(p)))
	}
	return nil
}

// checkPaths finds objects that would become one file, or one the folder of another.
func checkPaths(objects []Object, sound []bool, wrong *faults.List) {
	owner := make(map[string]int, len(objects))
	for i, o := range objects {
		if !sound[i] {
			continue
		}
		if first, taken := owner[o.Path()]; taken {
			wrong.Addf(fmt.Sprintf("objects[%d].file", i), "%s is the file of objects[%d] already; give one of them another file",
				faults.Quote(o.Path()), first)
			continue
		}
		owner[o.Path()] = i
	}
	for i, o := range objects {
		if !sound[i] {
			continue
		}
		for folder := path.Dir(o.Path()); folder != "."; folder = path.Dir(folder) {
			if first, taken := owner[folder]; taken {
				wrong.Addf(fmt.Sprintf("objects[%d].file", i), "%s lies in %s, which is the file of objects[%d]; a file is no folder",
					faults.Quote(o.Path()), faults.Quote(folder), first)
			}
		}
	}
}
