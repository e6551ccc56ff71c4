package socketlink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Folder is the provider's own, Link what the driver looks for; both are names in the driver's folder of providers.
const (
	Folder = "greentic.d"
	Link   = "greentic.sock"
)

// ErrTaken is a name that stands for something which is not ours, and is left as it is.
var ErrTaken = errors.New("there is something else in the driver's folder of providers")

// ErrAbsent is Check's: the folder or the link is not there yet, or not as it has to be.
var ErrAbsent = errors.New("the link to the provider's socket is not set up")

// target is where the link leads. It is relative, because the driver sees the folder at another path than we do.
var target = path.Join(Folder, Link)

// Options say where and for whom.
type Options struct {
	// Providers is the driver's folder of providers. It has to exist and to be ours.
	Providers string
	// Owner is the user id, and the group id, that the provider runs as.
	Owner int
}

// Hold makes folder and link, calls ready, waits until ctx ends, and removes both if nobody else holds them.
func Hold(ctx context.Context, o Options, ready func()) error {
	root, err := os.OpenRoot(o.Providers)
	if err != nil {
		return fmt.Errorf("opening the driver's folder of providers: %w", err)
	}
	defer func() { _ = root.Close() }()
	hold, err := lock(ctx, o.Providers)
	switch {
	case errors.Is(err, context.Canceled):
		return nil // ended before it began
	case err != nil:
		return err
	}
	defer hold.release()
	if err := install(root, o.Owner); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	if alone, err := hold.alone(); err != nil || !alone {
		return err
	}
	return remove(root)
}

// Check says with ErrAbsent what of Hold's work is missing.
func Check(o Options) error {
	root, err := os.OpenRoot(o.Providers)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	defer func() { _ = root.Close() }()
	leads, err := root.Readlink(Link)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	case leads != target:
		return fmt.Errorf("%w: %s leads to %q, not to %q", ErrAbsent, Link, leads, target)
	}
	folder, err := root.Lstat(Folder)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	case !isPrivate(folder, o.Owner):
		return fmt.Errorf("%w: %s is not a folder of mode 0700 that user %d owns", ErrAbsent, Folder, o.Owner)
	}
	return nil
}

// install looks at both names before it changes one. Another one may be doing the same at the same time.
func install(root *os.Root, owner int) error {
	_, folder := look(root, Folder, fs.FileInfo.IsDir, "a folder")
	found, link := look(root, Link, func(found fs.FileInfo) bool { return isOurs(root, found) }, "a link to "+target)
	if err := errors.Join(folder, link); err != nil {
		return err
	}
	if err := give(root, owner); err != nil {
		return fmt.Errorf("giving the folder %s to user %d: %w", Folder, owner, err)
	}
	if found != nil && found.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	if found != nil { // nobody listens there, so that nothing is lost between the two
		if err := root.Remove(Link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a dead socket: %w", err)
		}
	}
	if err := root.Symlink(target, Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the link: %w", err)
	}
	return nil
}

// give makes the provider's folder, or makes it the provider's.
func give(root *os.Root, owner int) error {
	if err := root.Mkdir(Folder, private); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	found, err := root.Lstat(Folder)
	if err != nil {
		return err
	}
	if found.Mode().Perm() != private {
		if err := take(root); err != nil {
			return err
		}
	}
	if isPrivate(found, owner) {
		return nil
	}
	return root.Lchown(Folder, owner, owner)
}

// look is what stands at name, nil if nothing does, and ErrTaken if it is not what ours would be.
func look(root *os.Root, name string, ours func(fs.FileInfo) bool, want string) (fs.FileInfo, error) {
	found, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking at %s: %w", name, err)
	case !ours(found):
		return nil, fmt.Errorf("%w: %s is %s and not %s; see who made it, and remove it", ErrTaken, name, kind(root, found), want)
	}
	return found, nil
}

// kind is what found is, for whoever has to mend it.
func kind(root *os.Root, found fs.FileInfo) string {
	switch found.Mode().Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a folder"
	case fs.ModeSymlink:
		leads, _ := root.Readlink(found.Name()) // nothing is said of a link that has just gone
		return fmt.Sprintf("a link to %q", leads)
	case fs.ModeSocket:
		return "a socket of another provider's"
	default:
		return "a " + found.Mode().Type().String()
	}
}

// isOurs reports whether found, at Link, may be replaced or removed: our link, or a socket that nobody listens at, as a provider leaves
// behind that had no folder of its own.
func isOurs(root *os.Root, found fs.FileInfo) bool {
	switch found.Mode().Type() {
	case fs.ModeSymlink:
		leads, err := root.Readlink(Link)
		return err == nil && leads == target
	case fs.ModeSocket:
		return isDead(path.Join(root.Name(), Link))
	default:
		return false
	}
}

// remove takes away what install and the provider have made, once both have ended. Everything is tried.
func remove(root *os.Root) error {
	var faults []error
	if found, err := root.Lstat(Link); err == nil && isOurs(root, found) {
		faults = append(faults, root.Remove(Link))
	}
	// A provider that was killed leaves its socket.
	if found, err := root.Lstat(Folder); err == nil && found.IsDir() {
		faults = append(faults, take(root), root.RemoveAll(Folder))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("removing the provider's folder and link: %w", err)
	}
	return nil
}

// take makes the folder ours for the moment: only an owner may change its mode, and only who may write to it may empty it.
func take(root *os.Root) error {
	return errors.Join(root.Lchown(Folder, os.Getuid(), os.Getgid()), root.Chmod(Folder, private))
}
