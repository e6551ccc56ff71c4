package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
)

// terminal is a pseudo-terminal: what is written to keys is typed, screen is what shows.
type terminal struct {
	keys *os.File // the master's end
	tty  *os.File

	mu     sync.Mutex
	screen bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	term := &terminal{keys: keys, tty: tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(term, keys)
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-done
		_ = keys.Close()
	})
	return term
}

func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Write(p)
}

func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

// ask runs secrets put at the terminal; its end and its error come over the channel.
func (s *terminal) ask(ctx context.Context, t *testing.T) <-chan error {
	t.Helper()
	env := filepath.Join(t.TempDir(), "env.yaml")
	require.NoError(t, os.WriteFile(env, []byte(`
schema: greentic.env-manifest.v1
environment: {id: prod, name: Production, tenant_org_id: acme}
packs: [{slot: secrets, kind: greentic.secrets.vault@0.1.0, pack_ref: builtin, answers: {addr: "http://127.0.0.1:1", role: r}}]
`), 0o600))
	t.Setenv("VAULT_TOKEN", "hvs.operator")
	t.Setenv("VAULT_ADDR", "")
	t.Setenv("VAULT_NAMESPACE", "")
	t.Setenv("VAULT_CACERT", "")
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, []string{"secrets", "put", "secret://prod/acme/sales/c/n", "--environment", env}, s.tty, s, s)
	}()
	require.Eventually(t, func() bool { return !s.echoes(t) }, 30*time.Second, time.Millisecond, "the terminal goes on showing what is typed")
	return ended
}

func TestPromptShowsNothing(t *testing.T) {
	s := openTerminal(t)
	ended := s.ask(t.Context(), t)
	_, err := io.WriteString(s.keys, "canary-of-a-person\r")
	require.NoError(t, err)
	err = <-ended
	require.ErrorIs(t, err, operator.ErrUnreachable, "the value was taken and Vault was asked")
	assert.Equal(t, exitFailed, exitCode(err))
	assert.True(t, s.echoes(t), "the terminal is as it was")
	assert.Contains(t, s.text(), "value of secret://prod/acme/sales/c/n: ")
	assert.NotContains(t, s.text()+err.Error(), "canary")
}

func TestPromptIsGivenUp(t *testing.T) {
	tests := []struct {
		name string
		by   func(*terminal, context.CancelFunc) error
		want int
	}{
		{"by a signal", func(_ *terminal, cancel context.CancelFunc) error { cancel(); return nil }, exitFailed},
		{"by Ctrl-C", func(s *terminal, _ context.CancelFunc) error { _, err := io.WriteString(s.keys, "abc\x03"); return err }, exitBadInput},
		{"by Ctrl-D", func(s *terminal, _ context.CancelFunc) error { _, err := io.WriteString(s.keys, "\x04"); return err }, exitBadInput},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTerminal(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := s.ask(ctx, t)
			require.NoError(t, tt.by(s, cancel))
			err := <-ended
			require.Error(t, err)
			assert.Equal(t, tt.want, exitCode(err))
			assert.NotErrorIs(t, err, operator.ErrUnreachable, "Vault was not asked")
			assert.True(t, s.echoes(t), "the terminal is as it was")
		})
	}
}

func TestPromptTakesNoCutValue(t *testing.T) {
	s := openTerminal(t)
	ended := s.ask(t.Context(), t)
	for range 5 {
		_, err := io.WriteString(s.keys, strings.Repeat("x", 1000))
		require.NoError(t, err)
	}
	_, err := io.WriteString(s.keys, "\r")
	require.NoError(t, err)
	err = <-ended
	assert.Equal(t, exitBadInput, exitCode(err))
	assert.ErrorContains(t, err, "too long to be typed")
}
