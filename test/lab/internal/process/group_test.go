package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/test/lab/internal/process"
)

// holdEnv makes this test program a holder of a group that ends in the way it names.
const holdEnv = "GTC_LAB_TEST_HOLD"

func TestMain(m *testing.M) {
	if way := os.Getenv(holdEnv); way != "" {
		hold(way)
	}
	goleak.VerifyTestMain(m)
}

// hold starts a group with three kinds of children, says where, and ends badly.
func hold(way string) {
	g, err := process.NewGroup(os.TempDir(), "gtc-lab-test-")
	if err != nil {
		panic(err)
	}
	// One that has children of its own, one that ignores what can be ignored.
	start := func(name, script string) {
		if _, err := g.Start(name, exec.Command("sh", "-c", script), filepath.Join(g.Dir(), name)); err != nil {
			panic(err)
		}
	}
	start("family", "sleep 1000 & sleep 1000 & wait")
	start("stubborn", "trap '' TERM INT HUP; while true; do echo x >> "+g.Dir()+"/x; sleep 0.01; done")
	fmt.Println(g.Dir())
	switch way {
	case "panic":
		panic("as planned")
	case "exit":
		os.Exit(3)
	default:
		select {}
	}
}

// inhabitants are the processes whose home is dir, as Group.Environment makes it.
func inhabitants(dir string) []string {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a constant: no error is possible
	var found []string
	for _, entry := range entries {
		env, err := os.ReadFile(filepath.Join(entry, "environ"))
		if err == nil && strings.Contains(string(env), "HOME="+dir+"\x00") {
			found = append(found, filepath.Base(entry))
		}
	}
	return found
}

func TestNothingOutlivesAHolderThatEndsBadly(t *testing.T) {
	// Under nohup a hang-up is ignored, and children inherit that; of a signal that is caught they get the default.
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	for _, way := range []string{"kill -9", "interrupt", "hang-up", "panic", "exit"} {
		t.Run(way, func(t *testing.T) {
			holder := exec.Command(os.Args[0])
			holder.Env = append(os.Environ(), holdEnv+"="+way)
			out, err := holder.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, holder.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			dir := strings.TrimSpace(line)
			signals := map[string]syscall.Signal{"kill -9": syscall.SIGKILL, "interrupt": syscall.SIGINT, "hang-up": syscall.SIGHUP}
			if signal, ok := signals[way]; ok {
				require.Eventually(t, func() bool { return len(inhabitants(dir)) >= 4 }, 30*time.Second, 5*time.Millisecond, "two shells and two sleeps")
				require.NoError(t, holder.Process.Signal(signal))
			}
			require.Error(t, holder.Wait())
			assert.Eventually(t, func() bool {
				_, err := os.Stat(dir)
				return errors.Is(err, os.ErrNotExist) && len(inhabitants(dir)) == 0
			}, 30*time.Second, 20*time.Millisecond, "left: %v", dir)
		})
	}
}

func newGroup(t *testing.T) *process.Group {
	t.Helper()
	g, err := process.NewGroup(t.TempDir(), "group-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

func TestCloseKillsAllAndRemovesTheFolder(t *testing.T) {
	g := newGroup(t)
	p, err := g.Start("stubborn", exec.Command("sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000"), filepath.Join(g.Dir(), "log"))
	require.NoError(t, err)
	assert.True(t, p.Running())
	require.NoError(t, g.Close())
	assert.False(t, p.Running())
	assert.Error(t, p.Err())
	assert.NoDirExists(t, g.Dir())
	assert.Eventually(t, func() bool { return len(inhabitants(g.Dir())) == 0 }, 30*time.Second, 5*time.Millisecond, "the kernel takes a moment to end what it killed")
	require.NoError(t, g.Close(), "a second call returns what the first did")
	_, err = g.Start("late", exec.Command("true"), filepath.Join(t.TempDir(), "log"))
	require.ErrorIs(t, err, process.ErrClosed)
}

func TestCloseKeepsTheFolderWhenAsked(t *testing.T) {
	g := newGroup(t)
	require.NoError(t, os.WriteFile(filepath.Join(g.Dir(), "evidence"), nil, 0o600))
	require.NoError(t, g.Keep())
	require.NoError(t, g.Close())
	assert.FileExists(t, filepath.Join(g.Dir(), "evidence"))
}

func TestChildrenThatAProcessLeavesBehindEndWithIt(t *testing.T) {
	g := newGroup(t)
	p, err := g.Start("parent", exec.Command("sh", "-c", "sleep 1000 & exit 0"), filepath.Join(g.Dir(), "log"))
	require.NoError(t, err)
	require.NoError(t, p.Err())
	assert.Eventually(t, func() bool { return len(inhabitants(g.Dir())) == 0 }, 30*time.Second, 10*time.Millisecond)
}

func TestNamespaceEndsProcessesThatTheGroupDidNotStart(t *testing.T) {
	g := newGroup(t)
	// A process of its own session and group, as a daemon would be. Its namespace: made for it by unshare, as a normal user or as root.
	stranger := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sleep", "1000")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, stranger.Start())
	unheard := time.AfterFunc(10*time.Second, func() { _ = stranger.Process.Signal(syscall.SIGTERM) }) // so that a failure is no hang
	defer unheard.Stop()
	own, err := os.Readlink("/proc/self/ns/mnt")
	require.NoError(t, err)
	link := own
	require.Eventually(t, func() bool {
		link, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", stranger.Process.Pid))
		return err == nil && link != own
	}, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, g.Namespace(link))
	require.NoError(t, g.Close())
	var exit *exec.ExitError
	require.ErrorAs(t, stranger.Wait(), &exit)
	assert.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal())
}

func TestStop(t *testing.T) {
	g := newGroup(t)
	start := func(script string) *process.Process {
		p, err := g.Start("p", exec.Command("sh", "-c", script), filepath.Join(t.TempDir(), "log"))
		require.NoError(t, err)
		return p
	}
	t.Run("in order", func(t *testing.T) {
		p := start("trap 'exit 0' TERM; echo set; while true; do sleep 0.01; done")
		awaitTrap(t, p)
		require.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, p.Err())
	})
	t.Run("paused", func(t *testing.T) {
		p := start("exec sleep 1000")
		require.NoError(t, p.Pause())
		require.NoError(t, p.Stop(t.Context()))
		require.Error(t, p.Pause(), "it has ended")
	})
	t.Run("by force", func(t *testing.T) {
		p := start("trap '' TERM; echo set; while true; do sleep 0.01; done")
		awaitTrap(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.Stop(ctx), context.DeadlineExceeded)
		assert.False(t, p.Running())
	})
	t.Run("ended already", func(t *testing.T) {
		p := start("exit 0")
		<-p.Done()
		require.NoError(t, p.Stop(t.Context()))
		p.Kill()
	})
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	g := newGroup(t)
	_, err := g.Start("nothing", exec.Command("/no/such/program"), filepath.Join(g.Dir(), "log"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "starting nothing: ")
	_, err = g.Start("quiet", exec.Command("true"), filepath.Join(g.Dir(), "no", "log"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "opening the log of quiet: ")
}

func TestNewGroupSaysWhatIsMissing(t *testing.T) {
	_, err := process.NewGroup(filepath.Join(t.TempDir(), "missing"), "group-")
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "making the state folder: ")
}

// awaitTrap waits until a script has said that its trap is set.
func awaitTrap(t *testing.T, p *process.Process) {
	t.Helper()
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(p.Log())
		return err == nil && strings.Contains(string(log), "set")
	}, 30*time.Second, 5*time.Millisecond)
}
