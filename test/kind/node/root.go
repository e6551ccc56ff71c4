package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/greenticai/gtc-csi-provider/test/internal/progress"
	"github.com/greenticai/gtc-csi-provider/test/kind/engine"
)

// ErrNoRoot is returned where no Debian root can be made.
var ErrNoRoot = errors.New("a node image is made from Debian packages")

// root is a small Debian file system, as a tar file.
type root struct {
	name     string
	variant  string
	packages []string
}

// nodeRoot is what kind's own node image has of Debian, and containerd with its parts besides.
func nodeRoot() root {
	return root{name: "node", variant: "minbase", packages: []string{
		"systemd", "dbus", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod", "libseccomp2", "pigz", "e2fsprogs",
		"bash", "ca-certificates", "curl", "jq", "procps", "socat", "hostname", "containerd", "runc", "containernetworking-plugins",
	}}
}

// mountRoot is the base of the images whose program calls mount or iptables.
func mountRoot() root {
	return root{name: "mount", variant: "essential", packages: []string{"mount", "iptables", "kmod"}}
}

// make builds the tar file at path, from the machine's own sources of packages.
func (r root) make(ctx context.Context, path string, out io.Writer) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return fmt.Errorf("%w: mmdebstrap is not on PATH: install it (apt-get install mmdebstrap)", ErrNoRoot)
	}
	suite, sources, err := distribution("/")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", path, err)
	}
	stop := progress.Start(out, fmt.Sprintf("making the Debian root %q (about 1m the first time, kept after)", r.name),
		"making the Debian root "+r.name, "made the Debian root "+r.name)
	half := path + ".half.tar"
	_, err = engine.Output(exec.CommandContext(ctx, "mmdebstrap", "--quiet", "--variant="+r.variant, "--include="+strings.Join(r.packages, ","),
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		suite, half, sources))
	if err == nil {
		err = os.Rename(half, path)
	}
	stop(err)
	if err != nil {
		return errors.Join(fmt.Errorf("making the Debian root %q: %w", r.name, err), os.RemoveAll(half))
	}
	return nil
}

// distribution is the machine's release and the file with its sources of packages, below the folder of the system. Other files name strangers'
// packages.
func distribution(system string) (suite, sources string, err error) {
	release, err := os.ReadFile(filepath.Join(system, "etc", "os-release"))
	if err != nil {
		return "", "", fmt.Errorf("%w: asking which release this machine has: %w", ErrNoRoot, err)
	}
	for line := range strings.Lines(string(release)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); found {
			suite = strings.Trim(value, `"`)
		}
	}
	if suite == "" {
		return "", "", fmt.Errorf("%w: this machine's os-release names no VERSION_CODENAME", ErrNoRoot)
	}
	for _, file := range []string{"sources.list.d/debian.sources", "sources.list.d/ubuntu.sources", "sources.list"} {
		path := filepath.Join(system, "etc", "apt", filepath.FromSlash(file))
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return suite, path, nil
		}
	}
	return "", "", fmt.Errorf("%w: this machine has no sources of packages in /etc/apt", ErrNoRoot)
}
