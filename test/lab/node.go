package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/greenticai/gtc-csi-provider/test/lab/internal/process"
)

// ErrNoNamespace is wrapped by Start's error where this machine gives no mount namespace.
var ErrNoNamespace = errors.New("the lab needs a mount namespace of its own")

// nodeName is the node's name in the API server.
const nodeName = "n1"

// Node is the machine that the lab's pods run on: a mount namespace, held by a process that does nothing else. What the driver mounts stays
// mounted when the driver is killed, is seen by whoever runs in the namespace, and is gone with the holder. The rest of the
// file system is this machine's own.
type Node struct {
	holder *process.Process
	enter  []string // nsenter and its arguments
}

// startNode tries a mount namespace alone, which root may have, then one inside a user namespace, which a normal user may have on most machines.
func startNode(ctx context.Context, group *process.Group) (*Node, error) {
	var missing []error
	for _, tool := range []string{"unshare", "nsenter", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, fmt.Errorf("%w: %s is not on PATH: install util-linux and mount", ErrNoNamespace, tool))
		}
	}
	if len(missing) > 0 {
		return nil, errors.Join(missing...)
	}
	var asRoot error
	if os.Geteuid() == 0 {
		n, err := holdNamespace(ctx, group, []string{"--mount", "--propagation", "private"}, []string{"--mount"})
		if err == nil {
			return n, nil
		}
		asRoot = err
	}
	n, err := holdNamespace(ctx, group,
		[]string{"--user", "--map-root-user", "--mount", "--propagation", "private"}, []string{"--user", "--mount", "--preserve-credentials"})
	if err != nil {
		return nil, fmt.Errorf("%w: run it as root, or allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, "+
			"kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0): %w", ErrNoNamespace, errors.Join(asRoot, err))
	}
	return n, nil
}

// holdNamespace starts the holder and checks that one can enter its namespace and mount a tmpfs there, as the driver will.
func holdNamespace(ctx context.Context, group *process.Group, unshare, enter []string) (*Node, error) {
	log := filepath.Join(group.Dir(), "logs", "node.log")
	holder := exec.Command("unshare", append(unshare, "--", "sh", "-c", "echo held; read -r end")...)
	out, err := holder.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making the node's pipe: %w", err)
	}
	// The holder reads for ever: this end of the pipe is closed with this process.
	if _, err := holder.StdinPipe(); err != nil {
		return nil, fmt.Errorf("making the node's pipe: %w", err)
	}
	p, err := group.Start("node", holder, log)
	if err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		p.Kill()
		return nil, fmt.Errorf("unshare %s: %w%s", strings.Join(unshare, " "), errors.Join(ignoreEOF(err), p.Err()), lastWords(log))
	}
	n := &Node{holder: p, enter: append([]string{"nsenter", "--target", strconv.Itoa(p.Pid())}, enter...)}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", p.Pid()))
	if err == nil {
		err = errors.Join(group.Namespace(link), n.tryMount(ctx, group.Dir()))
	}
	if err != nil {
		p.Kill()
		return nil, err
	}
	return n, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (n *Node) tryMount(ctx context.Context, parent string) error {
	dir, err := os.MkdirTemp(parent, "try-")
	if err != nil {
		return fmt.Errorf("making a folder to try a mount on: %w", err)
	}
	var words bytes.Buffer
	cmd := n.Command(ctx, "sh", "-c", `mount -t tmpfs tmpfs "$0" && umount "$0"`, dir)
	cmd.Stderr = &words
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mounting a tmpfs in the node's namespace: %w: %q", err, strings.TrimSpace(words.String()))
	}
	return os.Remove(dir)
}

// Command is a program that will run on the node: what the driver has mounted is there, at the same paths. It starts in the folder /, whatever
// its Dir says, as the namespace's root; it inherits this process's environment unless its Env is set. A process that is still on the node when the lab ends is killed.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	words := append(append(append([]string{}, n.enter[1:]...), "--", name), args...)
	cmd := exec.CommandContext(ctx, n.enter[0], words...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd
}

// Path is where a path of the node is seen from outside of it. It is readable as long as the lab is up.
func (n *Node) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(n.holder.Pid()), "root", path)
}
