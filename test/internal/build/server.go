package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
)

// Server says how one of the lab's programs is built.
type Server struct {
	// Name of the program.
	Name string
	// Folder of its module below the servers' folder. Empty means that it is called like the program.
	Folder string
	// Module is the pinned module whose version is the program's.
	Module string
	// Package is the main package, "." for the server's own.
	Package string
	// More are further main packages of the same module, built in the same run: what they share is compiled once.
	More []string
	// VersionFlags are linker flags in which {version}, {major} and {minor} stand for the pinned version (v1.35.4, 1, 35).
	// Programs that get their version from their release's build say a wrong one without.
	VersionFlags string
	// Assets are files of the pinned module that are kept beside the program: a folder in the module, or empty for none.
	Assets string
	// Cold is about how long a first build takes on two cores, for the person who waits.
	Cold time.Duration
}

// Built is a program that is ready to run.
type Built struct {
	// Path of the program; of the folder with the programs, each called like its package, where the server has More than one.
	Path string
	// Version of the pinned module.
	Version string
	// Assets is the folder with the module's files that the server asked for, empty if it asked for none.
	Assets string
}

// packages are all main packages of the server.
func (s Server) packages() []string { return append([]string{s.Package}, s.More...) }

// version reads the pinned version in the server's go.mod.
func (s Server) version(dir string) (string, error) {
	path := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the pinned version of %s: %w", s.Name, err)
	}
	file, err := modfile.ParseLax(path, text, nil)
	if err != nil {
		return "", fmt.Errorf("reading the pinned version of %s: %w", s.Name, err)
	}
	for _, r := range file.Require {
		if r.Mod.Path == s.Module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("reading the pinned version of %s: %s does not require %s", s.Name, path, s.Module)
}

// flags are the build's own flags. Module mode and version control are given so that GOFLAGS has no say.
func (s Server) flags(version string) []string {
	linker := "-s -w"
	if s.VersionFlags != "" {
		parts := append(strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3), "", "")
		linker += " " + strings.NewReplacer("{version}", version, "{major}", parts[0], "{minor}", parts[1]).Replace(s.VersionFlags)
	}
	return []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=" + linker}
}

// key is the hash of all that the program is made from: toolchain, flags, and every file of the server's module, by path and content.
func (s Server) key(dir, toolchain string, flags []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n%q\n%q\n%q\n%q\n", s.Name, strings.Join(s.packages(), " "), s.Assets, toolchain, flags)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintf(sum, "%q %d\n%s\n", filepath.ToSlash(name), len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hashing the sources of %s: %w", s.Name, err)
	}
	return s.Name + "-" + hex.EncodeToString(sum.Sum(nil))[:20], nil
}
