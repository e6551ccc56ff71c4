package rpc

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// checkPeer asks the kernel who is at the other end: root, as the driver is, or the provider's own user.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		peer, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if asked != nil {
		return asked
	}
	if !mayConnect(int(peer.Uid), os.Geteuid()) {
		return fmt.Errorf("its user is %d, neither root nor the provider's own", peer.Uid)
	}
	return nil
}

func mayConnect(peer, own int) bool { return peer == 0 || peer == own }
