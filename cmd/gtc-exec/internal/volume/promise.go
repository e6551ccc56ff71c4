package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrPromise is a promise that cannot be kept by any volume: a text that is no REF[=FILE], or two promises that exclude each other.
var ErrPromise = errors.New("invalid promise")

// MaxPromises is how many secrets one volume can promise, as many as a SecretProviderClass can have objects.
const MaxPromises = 256

const (
	longestPath      = 4096 // the driver's limit for a file's path, in bytes
	longestComponent = 255  // and for each of its parts
)

// Promise is one secret that the pod's volume is said to hold. Only ParsePromise makes one that is not zero.
type Promise struct {
	ref      secretref.Reference
	file     string
	optional bool
}

// ParsePromise reads "REF[=FILE]". FILE is the secret's path in the volume, by the driver's rules: relative, clean, no "..". Without it
// the path is the reference's own, <team>/<category>/<name>. The error is ErrPromise.
func ParsePromise(text string, optional bool) (Promise, error) {
	reference, file, given := strings.Cut(text, "=")
	ref, err := secretref.Parse(reference)
	if err != nil {
		return Promise{}, fmt.Errorf("%w: %w", ErrPromise, err)
	}
	if !given {
		return Promise{ref: ref, file: ref.Path(), optional: optional}, nil
	}
	if err := checkPath(file); err != nil {
		return Promise{}, fmt.Errorf("%w: file %.200q of %s %w", ErrPromise, file, ref, err)
	}
	return Promise{ref: ref, file: file, optional: optional}, nil
}

// Ref is the promised secret.
func (p Promise) Ref() secretref.Reference { return p.ref }

// File is the secret's path in the volume.
func (p Promise) File() string { return p.file }

// Optional says that the volume may lack the secret.
func (p Promise) Optional() bool { return p.optional }

// checkPath holds file to what the driver accepts (secrets-store-csi-driver, pkg/util/fileutil); a file that it would never write could
// only be waited for in vain.
func checkPath(file string) error {
	if !fs.ValidPath(file) || file == "." {
		return errors.New("is not a relative, clean path")
	}
	if strings.HasPrefix(file, "..") {
		return errors.New(`starts with "..", which is the driver's own`)
	}
	if len(file) > longestPath {
		return fmt.Errorf("is longer than %d bytes", longestPath)
	}
	for component := range strings.SplitSeq(file, "/") {
		if len(component) > longestComponent {
			return fmt.Errorf("has a part longer than %d bytes", longestComponent)
		}
	}
	return nil
}

// Promises is all that one volume is said to hold: no secret twice, no file twice. The zero value promises nothing.
type Promises struct {
	list []Promise
	held map[secretref.Reference]bool
}

// NewPromises checks the promises against each other and reports every conflict. The error is ErrPromise.
func NewPromises(list []Promise) (Promises, error) {
	var faults []error
	if len(list) > MaxPromises {
		faults = append(faults, fmt.Errorf("%w: %d secrets, at most %d can be promised", ErrPromise, len(list), MaxPromises))
	}
	held := make(map[secretref.Reference]bool, len(list))
	files := make(map[string]secretref.Reference, len(list))
	for _, p := range list {
		if held[p.ref] {
			faults = append(faults, fmt.Errorf("%w: %s is promised twice, so its value would be one file or the other", ErrPromise, p.ref))
			continue
		}
		held[p.ref] = true
		if other, taken := files[p.file]; taken {
			faults = append(faults, fmt.Errorf("%w: %s and %s are both promised as file %q", ErrPromise, other, p.ref, p.file))
			continue
		}
		files[p.file] = p.ref
	}
	if len(faults) > 0 {
		return Promises{}, errors.Join(faults...)
	}
	return Promises{list: list, held: held}, nil
}

// All is every promise, in the order given.
func (p Promises) All() []Promise { return p.list }

// Has reports whether ref is promised.
func (p Promises) Has(ref secretref.Reference) bool { return p.held[ref] }
