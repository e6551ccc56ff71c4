package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// standInPath is where the stand-in for the worker's program is in the stand-in for its image.
const standInPath = "/usr/local/bin/worker"

// sandbox runs the containers of one pod on the lab's node: the command, environment, user and volumes are those of the pod's spec, the
// root is a folder with one static program in it, entered by chroot in a mount namespace of its own.
type sandbox struct {
	lab    *lab.Lab
	pod    *corev1.Pod
	secret *lab.Volume // the one CSI volume
	dir    string
}

func newSandbox(l *lab.Lab, pod *corev1.Pod, volume *lab.Volume) *sandbox {
	return &sandbox{lab: l, pod: pod, secret: volume, dir: filepath.Join(l.Dir(), "sandboxes", string(pod.UID))}
}

// command is a container's process. The program at host path program stands in its root at the path in.
func (s *sandbox) command(ctx context.Context, c corev1.Container, program, in string, words ...string) (*exec.Cmd, error) {
	root := filepath.Join(s.dir, "root-"+c.Name)
	if err := copyProgram(program, filepath.Join(root, in)); err != nil {
		return nil, err
	}
	proc := filepath.Join(root, "proc")
	if err := os.MkdirAll(proc, 0o755); err != nil {
		return nil, err
	}
	script := fmt.Sprintf("set -eu\nmount --rbind /proc %q\n", proc)
	for _, mount := range c.VolumeMounts {
		line, err := s.mount(mount, root)
		if err != nil {
			return nil, err
		}
		script += line
	}
	user := ""
	if os.Geteuid() == 0 { // a normal user's namespace has no other user to become
		user = "--userspec=" + strconv.FormatInt(*s.pod.Spec.SecurityContext.RunAsUser, 10) + ":" + strconv.FormatInt(*s.pod.Spec.SecurityContext.RunAsGroup, 10)
	}
	script += fmt.Sprintf("exec chroot %s %q \"$@\"\n", user, root)
	words = append([]string{"--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"}, words...)
	command := s.lab.Node().Command(ctx, "unshare", words...)
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, variable := range c.Env {
		command.Env = append(command.Env, variable.Name+"="+variable.Value)
	}
	return command, nil
}

// mount is the line that brings one volume into the container's root.
func (s *sandbox) mount(mount corev1.VolumeMount, root string) (string, error) {
	target := filepath.Join(root, mount.MountPath)
	source := filepath.Join(s.dir, "volume-"+mount.Name)
	for _, volume := range s.pod.Spec.Volumes {
		if volume.Name != mount.Name {
			continue
		}
		switch {
		case volume.CSI != nil:
			source = s.secret.Target()
		case volume.EmptyDir != nil && volume.EmptyDir.Medium == corev1.StorageMediumMemory:
			return fmt.Sprintf("mount -t tmpfs -o mode=0777 tmpfs %q\n", target), os.MkdirAll(target, 0o755)
		default: // an emptyDir, or an optional ConfigMap that is not there
			if err := os.MkdirAll(source, 0o777); err != nil {
				return "", err
			}
			if err := os.Chmod(source, 0o777); err != nil { // what the umask took
				return "", err
			}
		}
	}
	line := fmt.Sprintf("mount --bind %q %q\n", source, target)
	if mount.ReadOnly {
		line += fmt.Sprintf("mount -o remount,bind,ro %q\n", target)
	}
	return line, os.MkdirAll(target, 0o755)
}

func copyProgram(from, to string) error {
	if err := os.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) { // one that runs cannot be written
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Close()
}
