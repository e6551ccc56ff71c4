package params

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
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
		return fmt.Errorf("%s is no file", quote(p))
	case len(p) > longestPath:
		return fmt.Errorf("%s has %d bytes, more than %d", quote(p), len(p), longestPath)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return fmt.Errorf("%s holds a control character or is not UTF-8", quote(p))
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%s is absolute; name the file relative to the volume", quote(p))
	case strings.HasPrefix(p, ".."):
		return fmt.Errorf(`%s starts with "..", which the driver keeps for itself`, quote(p))
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return fmt.Errorf(`%s has a part ".."; name the file from the volume downwards`, quote(p))
		case len(part) > longestPart:
			return fmt.Errorf("%s has a part of %d bytes, more than %d", quote(p), len(part), longestPart)
		}
	}
	if path.Clean(p) != p {
		return fmt.Errorf("%s is not the shortest way to write the path; write %s", quote(p), quote(path.Clean(p)))
	}
	return nil
}

// checkPaths finds objects that would become one file, or one the folder of another.
func checkPaths(objects []Object, sound []bool, faults *faults) {
	owner := make(map[string]int, len(objects))
	for i, o := range objects {
		if !sound[i] {
			continue
		}
		if first, taken := owner[o.Path()]; taken {
			faults.addf(fmt.Sprintf("objects[%d].file", i), "%s is the file of objects[%d] already; give one of them another file", quote(o.Path()), first)
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
				faults.addf(fmt.Sprintf("objects[%d].file", i), "%s lies in %s, which is the file of objects[%d]; a file is no folder",
					quote(o.Path()), quote(folder), first)
			}
		}
	}
}
