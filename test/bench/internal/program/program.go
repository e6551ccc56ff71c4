package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// startTime is what a server has from its start to its first answer.
const startTime = 30 * time.Second

// knock is the pause between two tries to reach a server that does not listen yet. It is the grain of a start's time.
const knock = 100 * time.Microsecond

// ErrEnded is a server that has ended by itself.
var ErrEnded = errors.New("it ended")

// Command is a gRPC server.
type Command struct {
	Path   string
	Args   []string
	Socket string // that it listens on
	Log    string // file for what it prints
}

// Process is a running server.
type Process struct {
	took  time.Duration
	conn  *grpc.ClientConn
	cmd   *exec.Cmd
	log   string
	alive context.Context // ends when the process has; its cause says how
}

// Start starts a server, with an empty environment, and returns when its health service has answered that it serves. The
// server does not outlive this process.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old socket: %w", err)
	}
	log, err := os.Create(c.Log)
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	defer log.Close() // the server has its own handle
	conn, err := dial(c.Socket)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %q: %w", c.Path, err), conn.Close())
	}
	alive, end := context.WithCancelCause(context.Background())
	go func() { end(ended(cmd.Wait())) }() // Kill waits for it
	p := &Process{conn: conn, cmd: cmd, log: c.Log, alive: alive}
	if err := p.await(ctx); err != nil {
		p.Kill()
		text, _ := os.ReadFile(c.Log)
		return nil, fmt.Errorf("starting %q: %w\n%s", c.Path, err, strings.TrimSpace(string(text)))
	}
	p.took = time.Since(began)
	return p, nil
}

func ended(err error) error {
	if err == nil {
		return fmt.Errorf("%w: exit status 0", ErrEnded)
	}
	return fmt.Errorf("%w: %w", ErrEnded, err)
}

// dial makes a connection that comes into being with its first call, and waits for the socket as often as it must.
func dial(socket string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("localhost"),
		grpc.WithContextDialer(func(ctx context.Context, socket string) (net.Conn, error) {
			for {
				conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
				if err == nil || ctx.Err() != nil {
					return conn, err
				}
				time.Sleep(knock)
			}
		}))
	if err != nil {
		return nil, fmt.Errorf("making a connection: %w", err)
	}
	return conn, nil
}

// await asks the health service until it says that the server serves.
func (p *Process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(p.alive, func() { end(context.Cause(p.alive)) })() //nolint:contextcheck // alive is the process's life, not a call's
	health := healthv1.NewHealthClient(p.conn)
	for {
		answer, err := health.Check(ctx, &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
		switch {
		case err != nil:
			return errors.Join(err, context.Cause(ctx))
		case answer.GetStatus() == healthv1.HealthCheckResponse_SERVING:
			return nil
		}
		time.Sleep(knock)
	}
}

// Took is how long it took from its start to its first answer.
func (p *Process) Took() time.Duration { return p.took }

// Conn is a connection to it.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }

// Kill ends it at once and returns when it has ended.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.alive.Done()
	_ = p.conn.Close()
}
