package program_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/program"
)

const empty = "github.com/greenticai/gtc-csi-provider/test/bench/emptyserver"

// server is the empty server, built.
func server(t *testing.T) program.Command {
	t.Helper()
	dir := t.TempDir()
	c := program.Command{Path: filepath.Join(dir, "server"), Socket: filepath.Join(dir, "s.sock"), Log: filepath.Join(dir, "log")}
	c.Args = []string{"-socket", c.Socket}
	require.NoError(t, program.Build(t.Context(), empty, c.Path))
	return c
}

func TestAServerStartsAnswersAndEnds(t *testing.T) {
	c := server(t)
	for range 2 { // the second finds the socket of the first, which was killed
		began := time.Now()
		p, err := program.Start(t.Context(), c)
		require.NoError(t, err)
		assert.Positive(t, p.Took())
		assert.Less(t, p.Took(), time.Since(began))

		answer, err := healthv1.NewHealthClient(p.Conn()).Check(t.Context(), &healthv1.HealthCheckRequest{})
		require.NoError(t, err)
		assert.Equal(t, healthv1.HealthCheckResponse_SERVING, answer.GetStatus())

		memory, err := p.Memory()
		require.NoError(t, err)
		assert.Greater(t, memory.Now, int64(1<<20))
		assert.GreaterOrEqual(t, memory.Peak, memory.Now)

		p.Kill()
		_, err = p.Memory()
		require.ErrorContains(t, err, "reading its memory")
	}
}

func TestAServerThatEndsSaysWhy(t *testing.T) {
	c := server(t)
	c.Args = []string{"-socket", filepath.Join(c.Socket, "nowhere")}
	_, err := program.Start(t.Context(), c)
	require.ErrorIs(t, err, program.ErrEnded)
	assert.ErrorContains(t, err, "exit status 1")
	assert.ErrorContains(t, err, "emptyserver: listening:", "its last words")
}

func TestAServerThatNeverListensIsNotWaitedForAfterTheContext(t *testing.T) {
	c := server(t)
	c.Args = []string{"-socket", c.Socket + ".other"}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := program.Start(ctx, c)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestNoProgram(t *testing.T) {
	dir := t.TempDir()
	_, err := program.Start(t.Context(), program.Command{Path: filepath.Join(dir, "none"), Socket: filepath.Join(dir, "s"), Log: filepath.Join(dir, "log")})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, program.Build(t.Context(), empty+"/none", filepath.Join(dir, "x")), "building "+empty+"/none (in the folder test of a checkout)")
}
