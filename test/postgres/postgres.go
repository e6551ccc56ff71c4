// Package postgres runs a real PostgreSQL in the lab, for credentials that Vault leases.
package postgres

import (
	"context"
	"fmt"
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

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// Server is a real PostgreSQL of one test's own, whose state is thrown away.
type Server struct {
	// URL is for Vault's database engine, which fills in the user and the password.
	URL string
	// Password is its superuser's, postgres.
	Password secret.Value

	programs string // their folder
	port     string
}

// nobody is whom PostgreSQL runs as where the tests run as root, as whom it refuses to run.
const nobody = 65534

// longest is what a start and an end may take on a busy machine.
const longest = time.Minute

// Start starts PostgreSQL on a free port of the loopback, as a process of the lab, until the test ends.
func Start(t *testing.T, l *lab.Lab) *Server {
	t.Helper()
	p := &Server{programs: folder(t), Password: secret.NewString("canary-of-postgres")}
	state, err := os.MkdirTemp("", "gtc-postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(state)) })
	passwordFile := filepath.Join(state, "password")
	require.NoError(t, os.WriteFile(passwordFile, p.Password.Reveal(), 0o600))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(state, nobody, nobody))
		require.NoError(t, os.Chown(passwordFile, nobody, nobody))
	}
	data := filepath.Join(state, "data")
	out, err := asNobody(p.command(t.Context(), "initdb", "--pgdata="+data, "--username=postgres", "--pwfile="+passwordFile,
		"--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync")).CombinedOutput()
	require.NoError(t, err, string(out))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, p.port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	process, err := l.StartProcess("postgres-"+p.port, asNobody(p.command(context.Background(), "postgres", "-D", data, "-p", p.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "log_min_error_statement=panic"))) // statements hold the passwords that Vault makes
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = process.Signal(syscall.SIGINT) // a fast, orderly end; killed it would leave its children behind for a moment
		select {
		case <-process.Done():
		case <-time.After(longest):
			process.Kill()
		}
	})
	p.URL = "postgresql://{{username}}:{{password}}@127.0.0.1:" + p.port + "/postgres?sslmode=disable"
	require.Eventually(t, func() bool { return p.Works(t.Context(), "postgres", p.Password.RevealString()) }, longest, 50*time.Millisecond, "PostgreSQL answers")
	return p
}

// folder is where Debian or somebody else has put PostgreSQL's programs.
func folder(t *testing.T) string {
	t.Helper()
	places, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		require.NoError(t, err)
		places = append(places, path)
	}
	require.NotEmpty(t, places, "there is no PostgreSQL: install it (apt-get install postgresql)")
	return filepath.Dir(places[len(places)-1])
}

func (p *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.programs, program), args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	return cmd
}

func asNobody(cmd *exec.Cmd) *exec.Cmd {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// query is what a user's statement answers.
func (p *Server) query(ctx context.Context, user, password, statement string) (string, error) {
	cmd := p.command(ctx, "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--host=127.0.0.1", "--port="+p.port,
		"--username="+user, "--dbname=postgres", "--no-password", "--command="+statement)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql as %s: %w: %s", user, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Works reports whether a credential does.
func (p *Server) Works(ctx context.Context, user, password string) bool {
	who, err := p.query(ctx, user, password, "SELECT current_user")
	return err == nil && who == user
}

// Users counts those whose names are like a pattern of SQL: Vault's begin with "v-".
func (p *Server) Users(t *testing.T, like string) string {
	t.Helper()
	count, err := p.query(t.Context(), "postgres", p.Password.RevealString(), "SELECT count(*) FROM pg_roles WHERE rolname LIKE '"+like+"'")
	require.NoError(t, err)
	return count
}
