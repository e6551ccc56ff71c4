package lab

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/certificate"
	"github.com/greenticai/gtc-csi-provider/test/lab/internal/process"
)

// startTime is what all the servers together have to come up. Built, they need less than five seconds on two idle cores.
const startTime = 90 * time.Second

// longestDir keeps the paths of the sockets in the state folder below the 108 bytes that the kernel has for one.
const longestDir = 60

// Options say what a lab is like. The zero value is a good lab.
type Options struct {
	// Poll is the driver's --rotation-poll-interval: for how long after a volume's last change a republish does not reach the provider. Zero is 0s:
	// every republish does.
	Poll time.Duration
	// Audiences are the CSIDriver object's tokenRequests. Nil means "vault" alone; an empty list means that pods' tokens are not sent at all.
	Audiences []string
	// TokensInSecrets sets the CSIDriver object's serviceAccountTokenInSecrets: tokens come in a request's secrets, not in its attributes.
	TokensInSecrets bool
	// SyncSecrets gives the driver the rights that its chart gives with syncSecret.enabled, for classes with secretObjects.
	SyncSecrets bool
	// VaultTLS makes Vault serve https with a certificate that VaultCAPEM verifies. Without, it serves http.
	VaultTLS bool
	// Verbose makes every server log as much as it can: the driver and the API server at -v=5, Vault at trace.
	Verbose bool
	// Keep leaves the state folder, with its logs, when the lab ends, however it does. The environment's GTC_LAB_KEEP=1 does the same.
	Keep bool
	// Progress hears what is being compiled. Nil means nobody.
	Progress io.Writer
}

// Lab is a running lab.
type Lab struct {
	options  Options
	programs programs
	group    *process.Group
	begun    time.Time
	ready    time.Duration
	stopCtx  func() bool

	ports struct{ etcd, etcdPeer, apiserver, vault, driverMetrics int }

	etcd, apiserver, vault *server
	driver                 driver
	node                   *Node

	signingKey *rsa.PrivateKey // of ServiceAccount tokens
	secrets    apiSecrets
	vaultCert  certificate.Pair
	clients    clients

	reviewerToken string
}

// clients are the lab's own connections to its servers.
type clients struct {
	admin, kubelet *rest.Config
	clientset      *kubernetes.Clientset
	dynamic        *dynamic.DynamicClient
	mapper         *mapper
	nodeset        *kubernetes.Clientset // as the node
}

// Start builds what is not built and brings a lab up: when it returns without error, everything serves. The lab lives until Close is called or
// ctx ends, whichever is first, and never longer than this process, however that ends.
func Start(ctx context.Context, options Options) (*Lab, error) {
	programs, err := buildPrograms(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	options.Keep = options.Keep || os.Getenv("GTC_LAB_KEEP") == "1"
	l := &Lab{options: options, programs: programs, begun: time.Now()}
	if err := l.prepare(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	starting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := l.startAll(starting); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.ready = time.Since(l.begun)
	l.stopCtx = context.AfterFunc(ctx, func() { _ = l.group.Close() }) // Close returns its error
	return l, nil
}

// prepare makes all that needs no server: folder, ports, keys.
func (l *Lab) prepare() error {
	parent := os.TempDir()
	if len(parent) > longestDir {
		return fmt.Errorf("making the state folder: TMPDIR %q has %d bytes, more than %d: the paths of the sockets in it would be too long for the kernel",
			parent, len(parent), longestDir)
	}
	group, err := process.NewGroup(parent, "gtc-lab-")
	if err != nil {
		return err
	}
	l.group = group
	if l.options.Keep {
		if err := group.Keep(); err != nil {
			return err
		}
	}
	for _, dir := range []string{"logs", "etcd", "apiserver", "vault", "kubelet", "providers", "driver"} {
		if err := os.Mkdir(l.path(dir), 0o711); err != nil {
			return fmt.Errorf("making the state folder: %w", err)
		}
	}
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	l.ports.etcd, l.ports.etcdPeer, l.ports.apiserver, l.ports.vault, l.ports.driverMetrics = ports[0], ports[1], ports[2], ports[3], ports[4]
	return errors.Join(l.prepareAPIServer(), l.prepareVault(), l.prepareDriver())
}

// startAll starts what does not depend on each other side by side.
func (l *Lab) startAll(ctx context.Context) error {
	side, sideCtx := errgroup.WithContext(ctx)
	side.Go(func() error {
		node, err := startNode(sideCtx, l.group)
		l.node = node
		return err
	})
	side.Go(func() error { return l.StartVault(sideCtx) })
	side.Go(func() error {
		if err := l.startEtcd(sideCtx); err != nil {
			return err
		}
		if err := l.StartAPIServer(sideCtx); err != nil {
			return err
		}
		return l.install(sideCtx)
	})
	if err := side.Wait(); err != nil {
		return err
	}
	return l.StartDriver(ctx, l.options.Poll)
}

// Close ends every process of the lab and removes its state folder, unless Options.Keep is set. A second call returns what the first returned.
func (l *Lab) Close() error {
	if l.stopCtx != nil {
		l.stopCtx()
	}
	if l.group == nil {
		return nil
	}
	return l.group.Close()
}

// Dir is the state folder. All that the lab writes is below it.
func (l *Lab) Dir() string { return l.group.Dir() }

// Versions are those of the servers.
func (l *Lab) Versions() Versions { return l.programs.versions() }

// ReadyAfter is how long Start took once everything was built.
func (l *Lab) ReadyAfter() time.Duration { return l.ready }

// Node is the machine that the lab's pods run on.
func (l *Lab) Node() *Node { return l.node }

// Logs are the servers' log files, by server: etcd, apiserver, vault, driver. What StartProcess has started is there too, by its name.
func (l *Lab) Logs() map[string]string {
	logs := map[string]string{}
	files, _ := filepath.Glob(l.path("logs", "*.log")) // the pattern is a constant: no error is possible
	for _, file := range files {
		base := filepath.Base(file)
		logs[base[:len(base)-len(".log")]] = file
	}
	return logs
}

func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.group.Dir()}, parts...)...)
}
