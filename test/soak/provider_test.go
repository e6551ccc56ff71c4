package soak_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// provider is a gtc-csi-provider with the race detector, which can be ended and started again in the same place.
type provider struct {
	soak            *soak
	process         *lab.Process
	name            string // what classes call it
	file            string // its configuration
	health, metrics string
}

// configuration is a good one; interval is how long a volume may go without asking Vault.
const configuration = `apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- {name: default, addresses: [%q], audience: vault}
refresh: {interval: %s, minimum: 1s}
rawPaths:
- {path: "database/creds/{role}", kind: lease, scopes: ["*/*/sales"]}
`

// badConfiguration is one that is refused while the last good one goes on.
const badConfiguration = "apiVersion: greentic.ai/v1alpha1\nkind: ProviderConfig\nvaults: {}\n"

func newProvider(t *testing.T, s *soak, name string) *provider {
	t.Helper()
	var addresses [2]string
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		addresses[i] = listener.Addr().String()
	}
	p := &provider{soak: s, name: name, file: filepath.Join(s.Dir(), name+".yaml"), health: addresses[0], metrics: addresses[1]}
	require.NoError(t, p.configure(fmt.Sprintf(configuration, s.front.URL, "2s")))
	return p
}

// configure changes the configuration's file as Kubernetes does: all at once.
func (p *provider) configure(text string) error {
	if err := os.WriteFile(p.file+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(p.file+".new", p.file)
}

// start starts it and waits until it is ready.
func (p *provider) start(ctx context.Context) error {
	cmd := exec.Command(filepath.Join(p.soak.programs, "gtc-csi-provider"), "--endpoint="+p.soak.ProviderSocket(p.name), "--config="+p.file,
		"--health-addr="+p.health, "--metrics-addr="+p.metrics, "--log-level=debug", "--config-poll=50ms")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all", "GORACE=halt_on_error=0"}
	process, err := p.soak.StartProcess("provider-"+p.name, cmd)
	if err != nil {
		return err
	}
	p.process = process
	for {
		if _, err := get(ctx, "http://"+p.health+"/readyz"); err == nil {
			return nil
		}
		select {
		case <-process.Done():
			return fmt.Errorf("provider %s ended while it started: %w", p.name, process.Wait())
		default:
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("provider %s is not ready: %w", p.name, err)
		}
	}
}

// terminate ends it in order. Its exit code is 0, unless it has found a race.
func (p *provider) terminate(ctx context.Context) error {
	if err := p.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.process.Done():
	case <-ctx.Done():
		return fmt.Errorf("provider %s does not end after SIGTERM", p.name)
	}
	if err := p.process.Wait(); err != nil {
		p.soak.fail("provider %s after SIGTERM: %v", p.name, err)
	}
	return nil
}

// size is what a provider needs.
type size struct{ goroutines, megabytes int }

func (p *provider) size(ctx context.Context) (size, error) {
	text, err := get(ctx, "http://"+p.metrics+"/metrics")
	if err != nil {
		return size{}, err
	}
	p.soak.heard(text)
	goroutines, err := metric(text, "go_goroutines")
	if err != nil {
		return size{}, err
	}
	resident, err := metric(text, "process_resident_memory_bytes")
	return size{int(goroutines), int(resident) >> 20}, err
}

func metric(text, name string) (float64, error) {
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the provider has no metric %s", name)
	}
	return strconv.ParseFloat(found[1], 64)
}

// get is the body of a good answer.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return string(body), err
}
