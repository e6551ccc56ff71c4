package params

import (
	"errors"
	"io/fs"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrInvalid is every fault of a class's parameters. A fault of a reference or a scope is also its error of package secretref.
var ErrInvalid = errors.New("invalid parameters")

// Bounds of a class. They are far above what a worker needs and far below what would hurt the provider.
const (
	MaxObjects     = 256      // objects in a class
	MaxObjectsText = 64 << 10 // bytes of the YAML in objects
	MaxKey         = 512      // bytes of an object's key
	MaxVault       = 63       // bytes of a connection's name
)

// DefaultMode is the mode of a file whose object asks for none: the driver writes files as root, and a worker that is not root must
// be able to read them.
const DefaultMode fs.FileMode = 0o644

// Params is what a class asks for.
type Params struct {
	Scope   secretref.Scope // what the class says that the pod is locked to
	Vault   string          // the connection's name; "" is the operator's first
	Objects []Object        // in the class's order, at least one; not to be changed, because others may have them too
	Refresh time.Duration   // how old an answer may be, or Always; 0 is the operator's
}

// Object is one secret and the file that it becomes: a reference, or else a raw path. Objects with the same raw path are files of one answer.
type Object struct {
	Ref      secretref.Reference
	Raw      rawpath.Request // zero where Ref is not
	File     string          // the file's path in the volume; "" is the reference's own, see Path; never "" with a raw path
	Mode     fs.FileMode     // permission bits; 0 is DefaultMode, see FileMode
	Key      string          // the field to take out of the secret's JSON; "" is the whole of it
	Optional bool            // an absent secret is no fault, and its file is left out
	Fallback bool            // where the team's secret is absent, the whole tenant's of the same category and name is read
}

// Path is the file's path in the volume: what was asked for, or else <team>/<category>/<name> of the reference as it is written, also
// where the tenant's secret is read in its place.
func (o Object) Path() string {
	if o.File != "" {
		return o.File
	}
	return o.Ref.Path()
}

// FileMode is the file's mode: what was asked for, or else DefaultMode.
func (o Object) FileMode() fs.FileMode {
	if o.Mode != 0 {
		return o.Mode
	}
	return DefaultMode
}
