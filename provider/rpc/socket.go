package rpc

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// socket is a listening Unix socket and the file that it is reached by.
type socket struct {
	*net.UnixListener
	path string
	file fs.FileInfo // as it was made
	warn func(message string, err error)
}

// listen makes the socket at path, in place of whatever socket is there: a dead predecessor's, or a living one's that is about to end.
// Whoever connects finds the one or the other and never none, and never one that others may write to.
func listen(path string, warn func(string, error)) (*socket, error) {
	if found, err := os.Lstat(path); err == nil && found.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("listening at %q: there is something that is not a socket; remove it or name another endpoint", path)
	}
	// Linux' limit for a socket's path is 107 bytes, so the name beside it is short.
	fresh := filepath.Join(filepath.Dir(path), "."+strconv.Itoa(os.Getpid()))
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listening at %q: %w", path, err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening at %q: %w", path, err)
	}
	listener.SetUnlinkOnClose(false)
	s := &socket{UnixListener: listener, path: path, warn: warn}
	if err := s.publish(fresh); err != nil {
		return nil, errors.Join(fmt.Errorf("listening at %q: %w", path, err), listener.Close(), os.Remove(fresh))
	}
	return s, nil
}

func (s *socket) publish(fresh string) (err error) {
	if err := os.Chmod(fresh, 0o600); err != nil {
		return err
	}
	if s.file, err = os.Lstat(fresh); err != nil {
		return err
	}
	return s.locked(func() error { return os.Rename(fresh, s.path) })
}

// Accept is the listener's, without connections of users who have no business here. The socket's mode refuses them too; this holds where
// a folder's owner changed the mode.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if err := checkPeer(conn); err != nil {
			s.warn("refused a connection", err)
			_ = conn.Close()
			continue
		}
		return conn, nil
	}
}

// remove takes the file away if it is still this socket's: a successor may have put its own there.
func (s *socket) remove() error {
	return s.locked(func() error {
		found, err := os.Lstat(s.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !os.SameFile(found, s.file):
			return nil
		}
		return os.Remove(s.path)
	})
}

// locked keeps two providers on one folder from crossing: without it, a successor's socket could appear between look and removal.
func (s *socket) locked(do func() error) error {
	folder, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %q: %w", folder.Name(), err)
	}
	return do()
}
