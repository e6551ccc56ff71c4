package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-csi-provider/internal/socketlink"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func TestLinkFlags(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"unknown":     {[]string{"--colour"}, "colour"},
		"an argument": {[]string{"here"}, `unexpected argument "here"; there are only flags`},
		"an owner":    {[]string{"--owner", "-1"}, "--owner: -1 is no user id"},
	} {
		t.Run(name, func(t *testing.T) {
			err := RunLink(t.Context(), row.args, io.Discard, io.Discard)
			require.ErrorIs(t, err, errInvalid)
			assert.ErrorContains(t, err, row.says)
		})
	}
	t.Run("the chart's", func(t *testing.T) {
		var help bytes.Buffer
		require.Error(t, RunLink(t.Context(), []string{"--help"}, io.Discard, &help))
		for _, flag := range []string{"-providers-dir", "-owner", "-check"} {
			assert.Regexp(t, `\n  `+flag+`\b`, help.String())
		}
	})
	t.Run("no folder", func(t *testing.T) {
		err := RunLink(t.Context(), []string{"--providers-dir", "/nowhere"}, io.Discard, io.Discard)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

// TestTheProgramLinks starts what the chart starts, as a kubelet does: container, startup probe, SIGTERM.
func TestTheProgramLinks(t *testing.T) {
	providers, owner := t.TempDir(), strconv.Itoa(os.Getuid())
	args := []string{"link", "--providers-dir", providers, "--owner", owner}
	check := append(args, "--check")
	require.ErrorIs(t, RunLink(t.Context(), check[1:], io.Discard, io.Discard), socketlink.ErrAbsent)
	probe, words := program(t, check...)
	_ = probe.Run()
	assert.Equal(t, exitFailed, probe.ProcessState.ExitCode())
	assert.Contains(t, words.String(), "gtc-csi-provider: the link to the provider's socket is not set up")

	command, log := program(t, args...)
	require.NoError(t, command.Start())
	log.WaitFor(t, `"msg":"linked"`)
	probe, words = program(t, check...)
	require.NoError(t, probe.Run(), words.String())
	assert.DirExists(t, filepath.Join(providers, "greentic.d"))
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait(), "SIGTERM is a good end")
	left, err := os.ReadDir(providers)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestTheProviderServesBehindTheLink(t *testing.T) {
	providers := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	linked, linkLog := make(chan error, 1), &rpctest.Log{}
	go func() {
		linked <- RunLink(ctx, []string{"--providers-dir", providers, "--owner", strconv.Itoa(os.Getuid())}, io.Discard, linkLog)
	}()
	linkLog.WaitFor(t, `"msg":"linked"`)
	_, _, args := files(t)
	serving, end := context.WithCancel(context.Background())
	served, log := make(chan error, 1), &rpctest.Log{}
	go func() {
		served <- Run(serving, append(args, "--endpoint", filepath.Join(providers, "greentic.d", "greentic.sock")), io.Discard, log)
	}()
	log.WaitFor(t, `"msg":"serving"`)
	info, err := os.Stat(filepath.Join(providers, "greentic.sock"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, info.Mode())
	end()
	require.NoError(t, <-served)
	stop()
	require.NoError(t, <-linked)
	left, err := os.ReadDir(providers)
	require.NoError(t, err)
	assert.Empty(t, left)
}
