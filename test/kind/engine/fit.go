package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// unfit says why the machine's engine cannot run a privileged container, as far as that can be known without trying it; nil if nothing speaks
// against it.
func unfit(ctx context.Context) error {
	if _, err := Output(exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")); err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	host, err := Output(exec.CommandContext(ctx, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
	if err != nil {
		return nil //nolint:nilerr // an engine that answers and cannot be looked at is taken at its word
	}
	socket, local := strings.CutPrefix(strings.TrimSpace(string(host)), "unix://")
	if !local {
		return nil
	}
	pid, err := owner(socket)
	if err != nil || pid == 0 {
		return nil //nolint:nilerr // likewise: it lives in another process namespace
	}
	missing, err := lacks(pid)
	if err != nil || len(missing) == 0 {
		return nil //nolint:nilerr // likewise
	}
	return fmt.Errorf("its process has no %s, and runc refuses a privileged container without", strings.Join(missing, ", "))
}

// owner is the process that listens on a socket; 0 if it is none of this process namespace's.
func owner(socket string) (int, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, fmt.Errorf("connecting to the engine: %w", err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("asking whose socket it is: %w", err)
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, peerErr); err != nil {
		return 0, fmt.Errorf("asking whose socket it is: %w", err)
	}
	return int(peer.Pid), nil
}

// lacks are the kernel's capabilities that a process and its children can never have.
func lacks(pid int) ([]string, error) {
	caps, err := capability.NewPid2(pid)
	if err != nil {
		return nil, fmt.Errorf("reading the capabilities of process %d: %w", pid, err)
	}
	if err := caps.Load(); err != nil {
		return nil, fmt.Errorf("reading the capabilities of process %d: %w", pid, err)
	}
	supported, err := capability.ListSupported()
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for its capabilities: %w", err)
	}
	var missing []string
	for _, c := range supported {
		if !caps.Get(capability.BOUNDING, c) {
			missing = append(missing, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return missing, nil
}
