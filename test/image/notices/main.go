// Command notices prints the licences and notices of everything that programs of this module are made of: the Go distribution's, and of each
// module the files that stand in its root or above a package that is linked.
//
//	notices PACKAGE...
//
// It goes by what the go command would link, so GOOS, GOARCH and CGO_ENABLED have their say. A module without a licence is an error.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := Run(ctx, ".", os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "notices: "+err.Error())
		os.Exit(1)
	}
}

// Run writes the notices of packages, as the go command knows them in the folder dir.
func Run(ctx context.Context, dir string, packages []string, out io.Writer) error {
	if len(packages) == 0 {
		return errors.New("name the packages of the programs")
	}
	linked, err := list(ctx, dir, packages)
	if err != nil {
		return err
	}
	parts, err := collect(linked)
	if err != nil {
		return err
	}
	golang, err := distribution(ctx, dir)
	if err != nil {
		return err
	}
	return write(out, append([]part{golang}, parts...))
}

// part is a module, or the Go distribution, with the texts that go with it.
type part struct {
	name, version string
	files         []string // paths of licences and notices
	root          string   // what the paths are told relative to
}

// linked is a package as go list tells it.
type linked struct {
	Dir      string
	Standard bool
	Module   *struct{ Path, Version, Dir string }
}

func list(ctx context.Context, dir string, packages []string) ([]linked, error) {
	text, err := run(ctx, dir, slices.Concat([]string{"list", "-deps", "-json=Dir,Standard,Module"}, packages)...)
	if err != nil {
		return nil, err
	}
	var all []linked
	for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
		var one linked
		if err := decoder.Decode(&one); err != nil {
			return nil, fmt.Errorf("reading go list's answer: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// collect is the modules of all, by path, each file once.
func collect(all []linked) ([]part, error) {
	modules := map[string]part{}
	for _, pkg := range all {
		if pkg.Standard || pkg.Module == nil {
			continue
		}
		m, known := modules[pkg.Module.Path]
		if !known {
			m = part{name: pkg.Module.Path, version: pkg.Module.Version, root: pkg.Module.Dir}
		}
		for dir := pkg.Dir; ; dir = filepath.Dir(dir) {
			found, err := texts(dir)
			if err != nil {
				return nil, err
			}
			m.files = append(m.files, found...)
			if dir == m.root || len(dir) < len(m.root) {
				break
			}
		}
		modules[m.name] = m
	}
	var faults []error
	var parts []part
	for _, m := range modules {
		slices.Sort(m.files)
		m.files = slices.Compact(m.files)
		if len(m.files) == 0 {
			faults = append(faults, fmt.Errorf("%s %s has no licence among its files: it may not be shipped", m.name, m.version))
		}
		parts = append(parts, m)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, errors.Join(faults...)
}

var text = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents`)

// texts are the licences and notices in dir itself. Go files are sources, whatever they are called.
func texts(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for licences: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if text.MatchString(entry.Name()) && entry.Type().IsRegular() && filepath.Ext(entry.Name()) != ".go" {
			found = append(found, filepath.Join(dir, entry.Name()))
		}
	}
	return found, nil
}

// distribution is Go itself: its standard library is in every program.
func distribution(ctx context.Context, dir string) (part, error) {
	text, err := run(ctx, dir, "env", "GOROOT", "GOVERSION")
	if err != nil {
		return part{}, err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	files, err := texts(root)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the Go distribution in GOROOT has no LICENSE: build with one from go.dev")
	}
	return part{name: "Go", version: version, files: files, root: root}, err
}

func write(out io.Writer, parts []part) error {
	const rule = "================================================================================"
	for _, p := range parts {
		for _, file := range p.files {
			content, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("reading a licence: %w", err)
			}
			name, err := filepath.Rel(p.root, file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s\n%s, %s\n%s\n\n%s\n\n", rule, strings.TrimSpace(p.name+" "+p.version), filepath.ToSlash(name), rule, bytes.TrimSpace(content))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// run runs the go command; on failure its own last words are the error.
func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	var words strings.Builder
	command.Stderr = &words
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(words.String()))
	}
	return text, nil
}
