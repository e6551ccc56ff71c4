//go:build linux

package process

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A program that ended by itself at the very moment of a restart: its status must still be there to be reaped.
func TestHasEndedLeavesTheStatus(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	pid, err := syscall.ForkExec(sleep, []string{"sleep", "20"}, nil)
	require.NoError(t, err)
	assert.False(t, hasEnded(pid))
	require.NoError(t, unix.Kill(pid, unix.SIGUSR1))
	require.Eventually(t, func() bool { return hasEnded(pid) }, 10*time.Second, time.Millisecond)
	assert.True(t, hasEnded(pid), "asking changes nothing")
	var status unix.WaitStatus
	child, err := unix.Wait4(pid, &status, 0, nil)
	require.NoError(t, err)
	assert.Equal(t, pid, child)
	assert.Equal(t, 128+10, codeOf(status))
	assert.False(t, hasEnded(pid), "who was reaped is nobody's child")
}
