package lab_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// nobody is a user with no rights of its own.
const nobody = 65534

// TestANormalUserHasALabToo runs tests of this package as a user without any rights. Where these tests run as a normal user anyway, all of them
// show it; this one then runs as that same user.
func TestANormalUserHasALabToo(t *testing.T) {
	_, err := lab.Build(t.Context(), os.Stderr)
	require.NoError(t, err)
	// Nothing of what root has made in its own home can be read by another user.
	home, err := os.MkdirTemp("", "gtc-home-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(home)) })
	require.NoError(t, os.Chmod(home, 0o755))
	share(t, cacheDir(t), filepath.Join(home, "cache"))
	share(t, "servers", filepath.Join(home, "servers"))
	program := filepath.Join(home, "lab.test")
	copyFile(t, os.Args[0], program, 0o755)

	asUser := func(command string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), command, args...)
		cmd.Dir = home
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "GOCACHE=" + home,
			"GTC_LAB_CACHE=" + filepath.Join(home, "cache"), "GTC_LAB_SERVERS=" + filepath.Join(home, "servers"),
		}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		return cmd
	}
	allowed := asUser("unshare", "--user", "--map-root-user", "--mount", "true").Run() == nil
	out, err := asUser(program, "-test.v", "-test.run",
		"^(TestVolumeIsMountedRepublishedAndUnpublished|TestAVolumeOutlivesTheDriver|TestANodesCommandSeesTheVolume|TestNothingOutlivesAKilledHolder)$").CombinedOutput()
	if allowed {
		require.NoError(t, err, string(out))
		for _, test := range []string{
			"TestVolumeIsMountedRepublishedAndUnpublished", "TestAVolumeOutlivesTheDriver", "TestANodesCommandSeesTheVolume", "TestNothingOutlivesAKilledHolder",
		} {
			assert.Contains(t, string(out), "--- PASS: "+test)
		}
		return
	}
	require.Error(t, err, "this machine allows normal users no user namespaces, and the lab must say so")
	assert.Contains(t, string(out), lab.ErrNoNamespace.Error())
}

func cacheDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GTC_LAB_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(dir, "gtc-csi-provider", "lab")
}

// share makes a tree that another user can read, of links where that is possible: the programs are large.
func share(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		place := filepath.Join(to, name)
		if entry.IsDir() {
			return os.Mkdir(place, 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode()&0o111 != 0 && os.Link(path, place) == nil {
			return nil
		}
		copyFile(t, path, place, info.Mode().Perm()|0o444)
		return nil
	}))
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, mode))
	require.NoError(t, os.Chmod(to, mode))
}
