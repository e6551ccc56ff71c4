// Command runtime is an OCI runtime for machines whose bounding set lacks a capability: `docker run --privileged` asks for every capability there
// is, and runc refuses a container that asks for one which it cannot have. This program takes what the machine does not have out of the request
// and becomes runc. Where nothing is missing it changes nothing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/capability"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runtime:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if file, isProcess := request(args); file != "" {
		own, err := bounding()
		if err != nil {
			return err
		}
		if err := restrict(file, isProcess, own); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return fmt.Errorf("looking for the runtime behind this one: %w", err)
	}
	return syscall.Exec(runc, append([]string{runc}, args...), os.Environ()) // runc's own arguments, as the engine gave them
}

// request is the file in which runc's arguments say what a container or, with exec, one more process of it shall have. Empty if there is none.
func request(args []string) (file string, isProcess bool) {
	bundle, bundled := flagValue(args, "--bundle", "-b")
	process, processed := flagValue(args, "--process", "-p")
	switch {
	case slices.Contains(args, "exec") && processed:
		return process, true
	case (slices.Contains(args, "create") || slices.Contains(args, "run")) && bundled:
		return filepath.Join(bundle, "config.json"), false
	default:
		return "", false
	}
}

func flagValue(args []string, long, short string) (string, bool) {
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, long+"="); found {
			return value, true
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// bounding are the names, as OCI spells them, of what this process could ever have.
func bounding() ([]string, error) {
	caps, err := capability.NewPid2(0)
	if err != nil {
		return nil, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	if err := caps.Load(); err != nil {
		return nil, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	var names []string
	for _, known := range capability.ListKnown() {
		if caps.Get(capability.BOUNDING, known) {
			names = append(names, "CAP_"+strings.ToUpper(known.String()))
		}
	}
	return names, nil
}

// errShape means that the engine writes something else than the OCI runtime specification.
var errShape = errors.New("no OCI configuration")

// restrict takes every capability that is not in own out of a bundle's configuration, or out of a process's alone.
// All else in the file stays, also what this program does not know.
func restrict(file string, isProcess bool, own []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the container's configuration: %w", err)
	}
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &whole); err != nil {
		return fmt.Errorf("reading %s: %w: %w", file, errShape, err)
	}
	process := whole
	if !isProcess {
		process = map[string]json.RawMessage{}
		if err := json.Unmarshal(whole["process"], &process); err != nil {
			return fmt.Errorf("reading the process of %s: %w: %w", file, errShape, err)
		}
	}
	if len(process["capabilities"]) == 0 { // which asks for none
		return nil
	}
	if process["capabilities"], err = keep(process["capabilities"], own); err != nil {
		return fmt.Errorf("reading the capabilities of %s: %w: %w", file, errShape, err)
	}
	if !isProcess {
		if whole["process"], err = json.Marshal(process); err != nil {
			return fmt.Errorf("writing the process of %s: %w", file, err)
		}
	}
	if text, err = json.Marshal(whole); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return os.WriteFile(file, text, 0o600)
}

// keep is sets, each without what own has not.
func keep(text json.RawMessage, own []string) (json.RawMessage, error) {
	sets := map[string][]string{}
	if err := json.Unmarshal(text, &sets); err != nil {
		return nil, err
	}
	for name, set := range sets {
		sets[name] = slices.DeleteFunc(set, func(wanted string) bool { return !slices.Contains(own, wanted) })
	}
	return json.Marshal(sets)
}
