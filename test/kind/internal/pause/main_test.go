package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("GTC_TEST_PAUSE") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestPauseWaitsAndReaps(t *testing.T) {
	// The shell leaves a child that has ended to what becomes of it, as a container leaves its to the first process of the pod.
	pause := exec.Command("sh", "-c", "sleep 0 & exec "+os.Args[0])
	pause.Env = append(os.Environ(), "GTC_TEST_PAUSE=1")
	require.NoError(t, pause.Start())
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, pause.Process.Signal(unix.SIGCHLD), "a child may have ended before the program could hear of it")
	assert.EventuallyWithT(t, func(t *assert.CollectT) {
		children, err := os.ReadFile("/proc/" + strconv.Itoa(pause.Process.Pid) + "/task/" + strconv.Itoa(pause.Process.Pid) + "/children")
		assert.NoError(t, err)
		assert.Empty(t, string(children), "not reaped")
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, pause.Process.Signal(syscall.Signal(0)), "it still waits")
	require.NoError(t, pause.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, pause.Wait())
}
