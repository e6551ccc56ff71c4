package socketlink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// private is the mode of the provider's folder: nobody but the provider and a root with all capabilities, as the driver is, gets to the
// socket in it.
const private = 0o700

func isPrivate(folder fs.FileInfo, owner int) bool {
	status, ok := folder.Sys().(*syscall.Stat_t)
	return ok && folder.Mode() == fs.ModeDir|private && int(status.Uid) == owner && int(status.Gid) == owner
}

// isDead reports whether nobody listens at the socket.
func isDead(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// held is a shared lock on the driver's folder of providers.
type held struct{ folder *os.File }

// lock waits for a predecessor that is tidying up, which takes it milliseconds.
func lock(ctx context.Context, providers string) (held, error) {
	folder, err := os.Open(providers)
	if err != nil {
		return held{}, fmt.Errorf("opening the driver's folder of providers: %w", err)
	}
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if err == nil {
			return held{folder}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return held{}, errors.Join(fmt.Errorf("locking %q: %w", providers, err), folder.Close())
		}
		select {
		case <-ctx.Done():
			return held{}, errors.Join(fmt.Errorf("locking %q: %w", providers, context.Cause(ctx)), folder.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// alone reports whether nobody else holds the folder, and lets nobody in until release.
func (h held) alone() (bool, error) {
	err := syscall.Flock(int(h.folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking %q: %w", h.folder.Name(), err)
	}
	return true, nil
}

func (h held) release() { _ = h.folder.Close() }
