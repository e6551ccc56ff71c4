package socketlink_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-csi-provider/internal/socketlink"
)

// holdEnv makes this test program hold the folder that it names.
const holdEnv = "GTC_TEST_HOLD"

func TestMain(m *testing.M) {
	if providers := os.Getenv(holdEnv); providers != "" {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = os.Stdin.Read(make([]byte, 1)) // whoever started it closes it
			cancel()
		}()
		if err := socketlink.Hold(ctx, options(providers), func() { fmt.Println("ready") }); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// options are of an owner that this test may give files to: root gives them to the provider's user, anybody else to himself.
func options(providers string) socketlink.Options {
	owner := os.Getuid()
	if owner == 0 {
		owner = 65532
	}
	return socketlink.Options{Providers: providers, Owner: owner}
}

// hold holds the folder and returns what ends it.
func hold(t *testing.T, providers string) (release func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- socketlink.Hold(ctx, options(providers), func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		require.NoError(t, err, "it ended before it was ready")
	case <-time.After(10 * time.Second):
		cancel()
		require.Fail(t, "it is not ready in time")
	}
	return func() error {
		cancel()
		return <-ended
	}
}

func folder(t *testing.T) (providers, own, link string) {
	t.Helper()
	providers = t.TempDir()
	return providers, filepath.Join(providers, "greentic.d"), filepath.Join(providers, "greentic.sock")
}

// assertHeld looks at everything that has to be there.
func assertHeld(t *testing.T, providers string) {
	t.Helper()
	require.NoError(t, socketlink.Check(options(providers)))
	own, err := os.Lstat(filepath.Join(providers, "greentic.d"))
	require.NoError(t, err)
	assert.Equal(t, fs.ModeDir|0o700, own.Mode())
	status, ok := own.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	assert.Equal(t, options(providers).Owner, int(status.Uid))
	leads, err := os.Readlink(filepath.Join(providers, "greentic.sock"))
	require.NoError(t, err)
	assert.Equal(t, "greentic.d/greentic.sock", leads)
}

func assertEmpty(t *testing.T, providers string) {
	t.Helper()
	entries, err := os.ReadDir(providers)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestTheDriverFindsTheSocketThroughTheLinkUntilTheEnd(t *testing.T) {
	providers, own, link := folder(t)
	release := hold(t, providers)
	assertHeld(t, providers)
	listener, err := net.Listen("unix", filepath.Join(own, "greentic.sock"))
	require.NoError(t, err)
	conn, err := net.Dial("unix", link)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, listener.Close())
	require.NoError(t, release())
	assertEmpty(t, providers)
}

func TestWhatIsFoundAndIsOurs(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, own, link string){
		"nothing":                      func(*testing.T, string, string) {},
		"a folder that a kubelet made": func(t *testing.T, own, _ string) { require.NoError(t, os.Mkdir(own, 0o755)) },
		"a folder with a dead socket": func(t *testing.T, own, _ string) {
			require.NoError(t, os.Mkdir(own, 0o700))
			dead(t, filepath.Join(own, "greentic.sock"))
		},
		"our link, without the folder":      func(t *testing.T, _, link string) { require.NoError(t, os.Symlink("greentic.d/greentic.sock", link)) },
		"a dead socket where the link goes": func(t *testing.T, _, link string) { dead(t, link) },
	} {
		t.Run(name, func(t *testing.T) {
			providers, own, link := folder(t)
			prepare(t, own, link)
			release := hold(t, providers)
			assertHeld(t, providers)
			require.NoError(t, release())
			assertEmpty(t, providers)
		})
	}
}

func TestWhatIsFoundAndIsNotOursStays(t *testing.T) {
	for name, row := range map[string]struct {
		prepare func(t *testing.T, own, link string)
		says    []string
	}{
		"a file": {
			func(t *testing.T, _, link string) { require.NoError(t, os.WriteFile(link, nil, 0o600)) },
			[]string{"greentic.sock is a file and not a link to greentic.d/greentic.sock; see who made it, and remove it"},
		},
		"another link": {
			func(t *testing.T, _, link string) { require.NoError(t, os.Symlink("/elsewhere", link)) },
			[]string{`greentic.sock is a link to "/elsewhere"`},
		},
		"a living socket": {
			func(t *testing.T, _, link string) { listen(t, link) },
			[]string{"greentic.sock is a socket of another provider's"},
		},
		"both": {
			func(t *testing.T, own, link string) {
				require.NoError(t, os.WriteFile(own, nil, 0o600))
				require.NoError(t, os.Mkdir(link, 0o700))
			},
			[]string{"greentic.d is a file and not a folder", "greentic.sock is a folder"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			providers, own, link := folder(t)
			row.prepare(t, own, link)
			before := snapshot(t, providers)
			err := socketlink.Hold(t.Context(), options(providers), func() { assert.Fail(t, "it is not ready") })
			require.ErrorIs(t, err, socketlink.ErrTaken)
			for _, text := range row.says {
				assert.ErrorContains(t, err, text)
			}
			assert.Equal(t, before, snapshot(t, providers))
			require.ErrorIs(t, socketlink.Check(options(providers)), socketlink.ErrAbsent)
		})
	}
}

func TestALinkThatBecameForeignStaysAtTheEnd(t *testing.T) {
	providers, _, link := folder(t)
	release := hold(t, providers)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink("/elsewhere", link))
	require.NoError(t, release())
	leads, err := os.Readlink(link)
	require.NoError(t, err)
	assert.Equal(t, "/elsewhere", leads)
}

// TestTheLastOneTidiesUp is an upgrade: the successor comes before the predecessor ends.
func TestTheLastOneTidiesUp(t *testing.T) {
	providers, own, link := folder(t)
	predecessor := hold(t, providers)
	successor := hold(t, providers)
	listen(t, filepath.Join(own, "greentic.sock"))
	require.NoError(t, predecessor())
	assertHeld(t, providers)
	conn, err := net.Dial("unix", link)
	require.NoError(t, err, "the successor is reached as before")
	require.NoError(t, conn.Close())
	require.NoError(t, successor())
	assertEmpty(t, providers)
}

// TestManyThatComeAndGo: whoever is ready finds everything there, whatever the others do.
func TestManyThatComeAndGo(t *testing.T) {
	providers, _, _ := folder(t)
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 25 {
				release := hold(t, providers)
				assert.NoError(t, socketlink.Check(options(providers)))
				assert.NoError(t, release())
			}
		})
	}
	t.Cleanup(func() { assertEmpty(t, providers) })
}

func TestItWaitsForOneThatTidiesUpAndNotForever(t *testing.T) {
	providers, _, _ := folder(t)
	busy, err := os.Open(providers)
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	require.NoError(t, syscall.Flock(int(busy.Fd()), syscall.LOCK_EX))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, socketlink.Hold(ctx, options(providers), nil), context.DeadlineExceeded)
	gone, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, socketlink.Hold(gone, options(providers), nil), "it was ended before it began")
	assertEmpty(t, providers)
	require.NoError(t, syscall.Flock(int(busy.Fd()), syscall.LOCK_UN))
	require.NoError(t, hold(t, providers)())
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	providers, own, link := folder(t)
	check := func(says string) {
		t.Helper()
		err := socketlink.Check(options(providers))
		require.ErrorIs(t, err, socketlink.ErrAbsent)
		assert.ErrorContains(t, err, says)
	}
	check("no such file")
	require.NoError(t, os.Symlink("elsewhere", link))
	check(`greentic.sock leads to "elsewhere", not to "greentic.d/greentic.sock"`)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink("greentic.d/greentic.sock", link))
	check("no such file")
	require.NoError(t, os.Mkdir(own, 0o750))
	check("greentic.d is not a folder of mode 0700 that user")
	require.ErrorIs(t, socketlink.Check(socketlink.Options{Providers: filepath.Join(providers, "nowhere")}), socketlink.ErrAbsent)
	require.ErrorIs(t, socketlink.Hold(t.Context(), options(filepath.Join(providers, "nowhere")), nil), fs.ErrNotExist)
}

// TestCAPCHOWNIsEnough runs the whole with what the chart grants: root's own files, and CAP_CHOWN.
func TestCAPCHOWNIsEnough(t *testing.T) {
	providers, own, _ := folder(t)
	require.NoError(t, os.Mkdir(own, 0o755))
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self)
	if os.Getuid() == 0 { // anybody else has no capabilities to begin with
		command = exec.CommandContext(t.Context(), "setpriv", "--bounding-set", "-all,+chown", "--inh-caps", "-all", "--no-new-privs", self)
	}
	command.Env = []string{holdEnv + "=" + providers}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool { return socketlink.Check(options(providers)) == nil }, 10*time.Second, 5*time.Millisecond)
	assertHeld(t, providers)
	// What a provider leaves that was killed, all of it the provider's own.
	for _, socket := range []string{"greentic.sock", ".1"} {
		dead(t, filepath.Join(own, socket))
		require.NoError(t, os.Chown(filepath.Join(own, socket), options(providers).Owner, -1))
	}
	require.NoError(t, stdin.Close())
	require.NoError(t, command.Wait(), out.String())
	assert.Equal(t, "ready", strings.TrimSpace(out.String()))
	assertEmpty(t, providers)
}

// dead leaves a socket that nobody listens at.
func dead(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
}

func listen(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
}

// snapshot is what stands in a folder, with modes.
func snapshot(t *testing.T, providers string) []string {
	t.Helper()
	entries, err := os.ReadDir(providers)
	require.NoError(t, err)
	var all []string
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		all = append(all, entry.Name()+" "+info.Mode().String())
	}
	return all
}
