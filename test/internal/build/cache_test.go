package build_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/test/internal/build"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hello is a server that pins a module of its own folder, so that no network is needed.
var hello = build.Server{
	Name: "hello", Module: "example.com/pinned", Package: ".", Assets: "data", Cold: time.Second,
	VersionFlags: "-X main.version={version} -X main.minor={major}.{minor}",
}

// files are hello's sources.
func files() map[string]string {
	return map[string]string{
		"go.mod": "module example.com/hello\n\ngo 1.26\n\nrequire example.com/pinned v1.2.3\n\nreplace example.com/pinned => ./pinned\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/pinned\"\n)\n\nvar version, minor string\n\n" +
			"func main() { fmt.Println(version, minor, pinned.Word) }\n",
		"pinned/go.mod":         "module example.com/pinned\n\ngo 1.26\n",
		"pinned/pinned.go":      "package pinned\n\nconst Word = \"hello\"\n",
		"pinned/data/crd.yaml":  "kind: Hello\n",
		"pinned/data/b/c.yaml":  "kind: C\n",
		"pinned/other/not.yaml": "kind: Not\n",
	}
}

// cache is one whose servers' folder holds hello with these files.
func cache(t *testing.T, files map[string]string) (build.Cache, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, "servers", "hello", filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	var progress bytes.Buffer
	return build.Cache{Dir: filepath.Join(dir, "cache"), Servers: filepath.Join(dir, "servers"), Progress: &progress}, &progress
}

func get(t *testing.T, c build.Cache) build.Built {
	t.Helper()
	built, err := c.Get(t.Context(), hello)
	require.NoError(t, err)
	require.Len(t, built, 1)
	return built[0]
}

func output(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.Command(program).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestGetBuildsOnce(t *testing.T) {
	c, progress := cache(t, files())
	built := get(t, c)
	assert.Equal(t, "v1.2.3", built.Version)
	assert.Equal(t, "v1.2.3 1.2 hello", output(t, built.Path))
	asset, err := os.ReadFile(filepath.Join(built.Assets, "crd.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "kind: Hello\n", string(asset))
	assert.FileExists(t, filepath.Join(built.Assets, "b", "c.yaml"))
	assert.NoFileExists(t, filepath.Join(built.Assets, "not.yaml"))
	assert.Contains(t, progress.String(), "building hello v1.2.3 (about 1s the first time, cached after)\n")
	assert.Contains(t, progress.String(), "built hello in ")

	progress.Reset()
	assert.Equal(t, built, get(t, c))
	assert.Empty(t, progress.String())
}

func TestTheKeyFollowsEverySource(t *testing.T) {
	seen := map[string]string{}
	changes := map[string]func(files map[string]string){
		"nothing":   func(map[string]string) {},
		"a source":  func(f map[string]string) { f["pinned/pinned.go"] += "// changed\n" },
		"the pin":   func(f map[string]string) { f["go.mod"] = strings.Replace(f["go.mod"], "v1.2.3", "v1.2.4", 1) },
		"a go.sum":  func(f map[string]string) { f["go.sum"] = "" },
		"a new one": func(f map[string]string) { f["new.go"] = "package main\n" },
	}
	for what, change := range changes {
		sources := files()
		change(sources)
		c, _ := cache(t, sources)
		key := filepath.Base(filepath.Dir(get(t, c).Path))
		assert.NotContains(t, seen, key, "%s and %s have one key", what, seen[key])
		seen[key] = what
	}
	again, _ := cache(t, files())
	assert.Equal(t, "nothing", seen[filepath.Base(filepath.Dir(get(t, again).Path))], "the same sources in another place have the same key")
}

func TestTheEnvironmentHasNoSay(t *testing.T) {
	c, _ := cache(t, files())
	t.Setenv("GOFLAGS", "-mod=vendor -tags=nonsense -nosuchflag")
	t.Setenv("GOWORK", filepath.Join(t.TempDir(), "go.work"))
	assert.Equal(t, "v1.2.3 1.2 hello", output(t, get(t, c).Path))
}

func TestAFailedBuildSaysWhereAndLeavesNothing(t *testing.T) {
	sources := files()
	sources["main.go"] += "nonsense\n"
	c, _ := cache(t, sources)
	_, err := c.Get(t.Context(), hello)
	require.ErrorContains(t, err, "building hello v1.2.3: go build: ")
	require.ErrorContains(t, err, "main.go:12:1: syntax error")
	entries, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "lock", entries[0].Name())
}

func TestWhatAKilledBuildLeftIsNoHindrance(t *testing.T) {
	c, _ := cache(t, files())
	left := filepath.Join(c.Dir, "building-1", "hello")
	require.NoError(t, os.MkdirAll(filepath.Dir(left), 0o755))
	require.NoError(t, os.WriteFile(left, []byte("half a program"), 0o600))
	assert.Equal(t, "v1.2.3 1.2 hello", output(t, get(t, c).Path))
	assert.NoFileExists(t, left)
}

func TestTwoAtOnceBuildOnce(t *testing.T) {
	c, _ := cache(t, files())
	var progress [4]bytes.Buffer
	var waiting sync.WaitGroup
	for i := range progress {
		own := c
		own.Progress = &progress[i]
		waiting.Go(func() {
			_, err := own.Get(t.Context(), hello)
			assert.NoError(t, err)
		})
	}
	waiting.Wait()
	var all strings.Builder
	for i := range progress {
		all.Write(progress[i].Bytes())
	}
	assert.Equal(t, 1, strings.Count(all.String(), "built hello in "), all.String())
}

func TestWaitingForAnotherProcessIsSaidAndEndsWithTheContext(t *testing.T) {
	c, progress := cache(t, files())
	require.NoError(t, os.MkdirAll(c.Dir, 0o755))
	other, err := os.Create(filepath.Join(c.Dir, "lock"))
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = c.Get(ctx, hello)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "waiting to build hello: ")
	assert.Equal(t, "waiting for another process that builds into the same cache, before building hello\n", progress.String())
}

func TestGetSaysWhatIsMissing(t *testing.T) {
	t.Run("the server's folder", func(t *testing.T) {
		c, _ := cache(t, nil)
		_, err := c.Get(t.Context(), hello)
		require.ErrorIs(t, err, os.ErrNotExist)
		assert.ErrorContains(t, err, "reading the pinned version of hello: ")
	})
	t.Run("the pin", func(t *testing.T) {
		sources := files()
		sources["go.mod"] = "module example.com/hello\n"
		c, _ := cache(t, sources)
		_, err := c.Get(t.Context(), hello)
		assert.ErrorContains(t, err, "does not require example.com/pinned")
	})
	t.Run("a go.mod that can be read", func(t *testing.T) {
		sources := files()
		sources["go.mod"] = "module \"\n"
		c, _ := cache(t, sources)
		_, err := c.Get(t.Context(), hello)
		assert.ErrorContains(t, err, "reading the pinned version of hello: ")
	})
	t.Run("a folder for the cache", func(t *testing.T) {
		c, _ := cache(t, files())
		c.Dir = filepath.Join(c.Servers, "hello", "go.mod", "cache")
		_, err := c.Get(t.Context(), hello)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		assert.ErrorContains(t, err, "GTC_LAB_CACHE names another")
	})
	t.Run("go", func(t *testing.T) {
		c, _ := cache(t, files())
		t.Setenv("PATH", t.TempDir())
		_, err := c.Get(t.Context(), hello)
		require.ErrorIs(t, err, build.ErrNoGo)
	})
}

func TestGetEndsWithTheContext(t *testing.T) {
	c, _ := cache(t, files())
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err := c.Get(ctx, hello)
	require.Error(t, err)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestSeveralProgramsOfAModuleStandInOneFolder(t *testing.T) {
	sources := files()
	sources["other/main.go"] = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"other\") }\n"
	c, _ := cache(t, sources)
	one := get(t, c)
	two := hello
	two.Package, two.More, two.VersionFlags = "./other", []string{"."}, ""
	built, err := c.Get(t.Context(), two)
	require.NoError(t, err)
	assert.NotEqual(t, filepath.Dir(one.Path), filepath.Dir(built[0].Path))
	assert.Equal(t, "other", output(t, filepath.Join(built[0].Path, "other")))
	assert.Equal(t, "hello", output(t, filepath.Join(built[0].Path, "hello")))
}

func TestAServersFolderMayHaveAnotherName(t *testing.T) {
	c, _ := cache(t, files())
	c.Servers = filepath.Dir(c.Servers)
	moved := hello
	moved.Folder = "servers/hello"
	built, err := c.Get(t.Context(), moved)
	require.NoError(t, err)
	assert.Equal(t, "v1.2.3 1.2 hello", output(t, built[0].Path))
}
