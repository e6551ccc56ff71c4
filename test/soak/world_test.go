package soak_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
	"github.com/greenticai/gtc-csi-provider/test/postgres"
)

// The badges of the soak, in the environment that integration's tests wire too.
var (
	sales   = secretref.MustParseScope("prod/acme/sales")
	support = secretref.MustParseScope("prod/acme/support")
)

// newSoak brings up the lab, wires Vault with the deployer, and starts both providers.
func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{Lab: lab.Shared(t), t: t, counts: map[string]int{}, known: map[string]bool{}, calm: time.Now()}
	s.programs = filepath.Join(s.Dir(), "programs")
	s.build(t)
	var err error
	s.root, err = s.VaultClient()
	require.NoError(t, err)
	s.kubelet = s.CachingKubelet()
	s.front = newFront(t, s.VaultAddr())
	s.mortal, s.steady = newProvider(t, s, "mortal"), newProvider(t, s, "steady")
	s.wire(t)
	s.mark, err = s.AuditMark()
	require.NoError(t, err)
	for _, p := range []*provider{s.mortal, s.steady} {
		require.NoError(t, p.start(t.Context()))
	}
	return s
}

// build builds the provider with the race detector, and the deployer.
func (s *soak) build(t *testing.T) {
	t.Helper()
	for _, words := range [][]string{{"-race", "./cmd/gtc-csi-provider"}, {"./cmd/gtc-deployer"}} {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-mod=readonly", "-buildvcs=false", "-o", s.programs + "/"}, words...)...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// wire has the deployer wire Vault and render the environment's objects, which are applied. The team sales may have leases, so its tokens are service
// tokens, which can be revoked.
func (s *soak) wire(t *testing.T) {
	t.Helper()
	ca, err := s.KubernetesCA()
	require.NoError(t, err)
	folder := t.TempDir()
	for name, content := range map[string]string{"cluster.pem": string(ca), "reviewer.jwt": s.ReviewerToken()} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	manifest := "../integration/testdata/environment.yaml"
	s.deploy(t, "vault", "apply", "--environment", manifest, "--provider-config", s.steady.file, "--method", "kubernetes", "--cluster-host", s.KubernetesHost(),
		"--cluster-ca", filepath.Join(folder, "cluster.pem"), "--reviewer-token-file", filepath.Join(folder, "reviewer.jwt"))
	text := s.deploy(t, "render", "--environment", manifest, "--requirements", "sales-bot=../integration/testdata/requirements.json")
	objects, err := lab.Objects([]byte(text))
	require.NoError(t, err)
	require.NoError(t, s.Apply(t.Context(), objects...))
}

// deploy runs gtc-deployer as Vault's operator does.
func (s *soak) deploy(t *testing.T, args ...string) string {
	t.Helper()
	token, err := s.VaultToken()
	require.NoError(t, err)
	s.canary("Vault's root token", token)
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.programs, "gtc-deployer"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir(), "VAULT_ADDR=" + s.VaultAddr(), "VAULT_TOKEN=" + token}
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	require.NoError(t, err, words.String())
	return string(out)
}

// fleet is all that goes on beside the faults.
type fleet struct {
	secrets   []*rotating
	residents []*pod // that stay for the whole soak
	tenants   []*tenant
	database  *postgres.Server
	leave     func() // ends rotations and visits, and waits
	end       func() // ends the residents, and waits
}

// replicas is how many residents of each class there are.
const replicas = 3

// board makes secrets, classes and pods, and begins their lives.
func (s *soak) board(ctx context.Context, t *testing.T) *fleet {
	t.Helper()
	secret := func(ref secretref.Reference, plain bool) *rotating { return &rotating{soak: s, ref: ref, plain: plain} }
	common := secret(secretref.MustParse("secret://prod/acme/_/openai/api_key"), false)
	own := map[secretref.Scope][]*rotating{
		sales: {
			secret(secretref.MustParse("secret://prod/acme/sales/messaging-slack/bot_token"), false),
			secret(secretref.MustParse("secret://prod/acme/sales/messaging-slack/signing_secret"), true), common,
		},
		support: {secret(secretref.MustParse("secret://prod/acme/support/zendesk/api_key"), false), common},
	}
	f := &fleet{secrets: append(own[sales][:2:2], own[support]...), database: s.newDatabase(t)} //nolint:contextcheck // it stays until the test ends
	for _, r := range f.secrets {
		require.NoError(t, r.rotate(ctx))
	}
	staying, end := context.WithCancel(ctx)
	passing, leave := context.WithCancel(ctx)
	var residents, others sync.WaitGroup
	f.end, f.leave = func() { end(); residents.Wait() }, func() { leave(); others.Wait() }
	t.Cleanup(func() { f.leave(); f.end() })
	for _, provider := range []*provider{s.mortal, s.steady} {
		for scope, objects := range own {
			c, err := s.newClass(ctx, provider.name+"-"+scope.Team(), provider.name, scope, scope, objects...)
			require.NoError(t, err)
			for range replicas {
				p, err := s.newPod(ctx, c)
				require.NoError(t, err)
				f.residents = append(f.residents, p)
				residents.Go(func() { p.live(staying) })
			}
			others.Go(func() { s.visit(passing, c) })
		}
	}
	f.tenants = s.newTenants(ctx, t, f.database)
	for _, p := range f.tenants {
		residents.Go(func() { p.live(staying) })
	}
	stranger, err := s.newClass(ctx, "stranger", s.steady.name, support, sales, own[sales]...)
	require.NoError(t, err)
	others.Go(func() { s.intrude(passing, stranger) })
	for _, r := range f.secrets {
		others.Go(func() {
			for wait(passing, time.Second+rand.N(6*time.Second)) == nil {
				s.failUnlessOver(passing, r.rotate(passing))
			}
		})
	}
	return f
}
