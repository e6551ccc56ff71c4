package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

var (
	// ErrMissing is a promised secret that the volume does not hold (yet): waiting may help.
	ErrMissing = errors.New("not in the volume")
	// ErrUnreadable is a file that is there and cannot be used: waiting does not help.
	ErrUnreadable = errors.New("not readable")
)

// MaxFile is the largest file that is read, in bytes: the driver takes no larger answer from a provider.
const MaxFile = 4 << 20

// newest is the link to the folder of the newest generation, as the kubelet's atomic writer names it.
const newest = "..data"

// Read reads every promised secret from one generation of the volume in folder. The error names every fault, each ErrMissing or
// ErrUnreadable; there is no partial snapshot.
func Read(folder string, promises Promises) (Snapshot, error) {
	link := filepath.Join(folder, newest)
	for {
		generation, err := os.OpenRoot(link)
		if err != nil {
			return Snapshot{}, notWritten(folder, promises, err)
		}
		snapshot, complete, err := readGeneration(generation, promises)
		current := isCurrent(generation, link)
		_ = generation.Close() // it was only read from
		if complete || current {
			return snapshot, err
		}
		// The folder was removed while it was read: what seems absent may only have been removed. The next one is there already.
		snapshot.Wipe()
	}
}

// readGeneration reads below the folder that generation holds open. complete says that nothing was absent and nothing went wrong.
func readGeneration(generation *os.Root, promises Promises) (snapshot Snapshot, complete bool, err error) {
	values := make(map[secretref.Reference]secret.Value, len(promises.list))
	var faults []error
	complete = true
	for _, p := range promises.list {
		value, err := readFile(generation, p.file)
		switch {
		case err == nil:
			values[p.ref] = value
			continue
		case isAbsent(err) && !p.optional:
			faults = append(faults, fmt.Errorf("%s is %w: there is no file %q", p.ref, ErrMissing, p.file))
		case !isAbsent(err):
			faults = append(faults, fmt.Errorf("%s is %w: %w", p.ref, ErrUnreadable, err))
		}
		complete = false
	}
	snapshot = Snapshot{values: values}
	if len(faults) > 0 {
		snapshot.Wipe()
		return Snapshot{}, false, errors.Join(faults...)
	}
	return snapshot, complete, nil
}

func readFile(generation *os.Root, file string) (secret.Value, error) {
	// Not blocking, because opening somebody's pipe would never end.
	f, err := generation.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return secret.Value{}, err
	}
	defer func() { _ = f.Close() }() // it is only read from
	info, err := f.Stat()
	if err != nil {
		return secret.Value{}, err
	}
	if !info.Mode().IsRegular() {
		return secret.Value{}, fmt.Errorf("%q is not a regular file", file)
	}
	contents, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return secret.Value{}, err
	}
	if len(contents) > MaxFile {
		clear(contents)
		return secret.Value{}, fmt.Errorf("%q is larger than %d bytes", file, MaxFile)
	}
	return secret.New(contents), nil
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func isCurrent(generation *os.Root, link string) bool {
	held, err := generation.Stat(".")
	if err != nil {
		return false
	}
	now, err := os.Stat(link)
	return err == nil && os.SameFile(held, now)
}

// notWritten names every promise of a volume that has no generation at all, and says which kind of nothing was found.
func notWritten(folder string, promises Promises, err error) error {
	what := fmt.Sprintf("the driver has not written %q", folder)
	switch _, folderErr := os.Stat(folder); {
	case !isAbsent(err):
		return fmt.Errorf("volume %q is %w: %w", folder, ErrUnreadable, err)
	case folderErr != nil:
		what = fmt.Sprintf("there is no folder %q, mount the CSI volume there", folder)
	}
	faults := make([]error, 0, len(promises.list))
	for _, p := range promises.list {
		if !p.optional {
			faults = append(faults, fmt.Errorf("%s is %w: %s", p.ref, ErrMissing, what))
		}
	}
	if len(faults) == 0 {
		// Whether an optional secret exists is known only once the volume is written.
		return fmt.Errorf("every optional secret is %w: %s", ErrMissing, what)
	}
	return errors.Join(faults...)
}
