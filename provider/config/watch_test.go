package config_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "provider.yaml")
	_, err := config.Load(path)
	require.ErrorIs(t, err, config.ErrInvalid)
	require.ErrorIs(t, err, os.ErrNotExist)
	write(t, path, least)
	c, err := config.Load(path)
	require.NoError(t, err)
	assert.Equal(t, "default", c.Vaults[0].Name)
	write(t, path, strings.Repeat("#", config.MaxFile+1))
	_, err = config.Load(path)
	require.ErrorIs(t, err, config.ErrInvalid)
}

// change is what Watch told.
type change struct {
	config config.Config
	err    error
}

func TestWatchTellsWhatChanged(t *testing.T) {
	folder := t.TempDir()
	path, ca := filepath.Join(folder, "provider.yaml"), filepath.Join(folder, "ca.pem")
	withCA := strings.Replace(least, "audience:", "caCertFile: "+ca+"\n  audience:", 1)
	write(t, ca, certificate(t))
	write(t, path, withCA)
	running, err := config.Load(path)
	require.NoError(t, err)
	changes := make(chan change)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		config.Watch(ctx, path, 2*time.Millisecond, running, func(c config.Config, err error) { changes <- change{c, err} })
	}()
	next := func(why string) change {
		t.Helper()
		select {
		case c := <-changes:
			return c
		case <-time.After(10 * time.Second):
			require.Fail(t, "no change is told", why)
			return change{}
		}
	}
	silent := func() {
		t.Helper()
		select {
		case c := <-changes:
			require.Fail(t, "a change is told that is none", "%v", c.err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	silent()

	write(t, path, strings.Replace(withCA, "name: default", "name: other", 1))
	c := next("another configuration")
	require.NoError(t, c.err)
	assert.Equal(t, "other", c.config.Vaults[0].Name)
	silent()

	write(t, ca, certificate(t))
	require.NoError(t, next("another certificate").err)
	silent()

	write(t, path, "nonsense: true")
	require.ErrorIs(t, next("a bad configuration").err, config.ErrInvalid)
	silent()

	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, next("none").err, os.ErrNotExist)
	silent()

	write(t, path, withCA)
	require.NoError(t, next("a good one again").err)
	silent()

	stop()
	<-ended
}

// TestWatchFollowsAConfigMap: a kubelet changes a ConfigMap's files by renaming the link to the folder that they are in.
func TestWatchFollowsAConfigMap(t *testing.T) {
	folder := t.TempDir()
	generation := func(name, text string) {
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o700))
		write(t, filepath.Join(folder, name, "provider.yaml"), text)
		require.NoError(t, os.Symlink(name, filepath.Join(folder, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	}
	generation("..1", least)
	path := filepath.Join(folder, "provider.yaml")
	require.NoError(t, os.Symlink("..data/provider.yaml", path))
	running, err := config.Load(path)
	require.NoError(t, err)
	changes := make(chan config.Config, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		config.Watch(ctx, path, time.Millisecond, running, func(c config.Config, err error) {
			assert.NoError(t, err)
			changes <- c
		})
	}()
	generation("..2", strings.Replace(least, "name: default", "name: other", 1))
	assert.Equal(t, "other", (<-changes).Vaults[0].Name)
	stop()
	<-ended
}

// write replaces a file at once, as an editor or a kubelet does.
func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}
