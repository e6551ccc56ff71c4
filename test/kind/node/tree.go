package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// context is the folder that the image is built from.
func (r *recipe) context(dir string) error {
	tree := filepath.Join(dir, "tree")
	if err := copyTree(tree, os.DirFS(r.kindFiles)); err != nil {
		return fmt.Errorf("copying kind's files: %w", err)
	}
	pause, err := r.pauseImage()
	if err != nil {
		return err
	}
	config := filepath.Join(tree, "etc", "containerd", "config.toml")
	if err := setSandbox(config, pause); err != nil {
		return err
	}
	for from, to := range map[string]string{
		"Dockerfile": "../Dockerfile", "setup.sh": "kind/setup.sh", "hide-cgroups": "kind/hide-cgroups",
		"cni.conflist": "etc/cni/net.d/10-gtc.conflist", "default-storage.yaml": "kind/manifests/default-storage.yaml",
		"refuse-services.service": "etc/systemd/system/refuse-services.service",
	} {
		content, err := files.ReadFile(path.Join("files", from))
		if err != nil {
			return fmt.Errorf("reading what this package embeds: %w", err)
		}
		if err := write(filepath.Join(tree, filepath.FromSlash(to)), content); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(tree, "kind", "version"), []byte(r.kubernetes.Version)); err != nil {
		return err
	}
	for from, to := range map[string]string{
		r.program("kubeadm"): "usr/bin/kubeadm", r.program("kubelet"): "usr/bin/kubelet", r.program("kubectl"): "usr/bin/kubectl",
		r.StandIns.Crictl: "usr/local/bin/crictl",
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("reading a program of the node: %w", err)
		}
		if err := write(filepath.Join(tree, filepath.FromSlash(to)), content); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies files and makes those executable that a Go module's zip file has made plain.
func copyTree(to string, from fs.FS) error {
	return fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return write(filepath.Join(to, filepath.FromSlash(name)), content)
	})
}

// write writes a file of the tree: executable in the folders of programs and where it is a script, plain elsewhere.
func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("making a folder of the node's files: %w", err)
	}
	mode := fs.FileMode(0o644)
	if path.Base(filepath.ToSlash(filepath.Dir(file))) == "bin" || strings.HasPrefix(string(content), "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(file, content, mode); err != nil {
		return fmt.Errorf("writing a file of the node: %w", err)
	}
	return nil
}

// setSandbox makes containerd hold a pod's namespaces with the pause image that is there.
func setSandbox(config, image string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return fmt.Errorf("reading kind's configuration of containerd: %w", err)
	}
	lines, found := strings.Split(string(text), "\n"), false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "sandbox_image =") {
			lines[i], found = fmt.Sprintf("  sandbox_image = %q", image), true
		}
	}
	if !found {
		return errors.New("kind's configuration of containerd names no sandbox_image: this kind is another one than the one this package was written for")
	}
	return os.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o644)
}
