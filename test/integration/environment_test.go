package integration_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// environment is an environment that the deployer has wired in Vault and rendered into the API server: two teams of the tenant acme.
type environment struct {
	id       string
	file     string // the manifest
	objects  []*unstructured.Unstructured
	sales    secretref.Scope
	support  secretref.Scope
	wiring   []string // the arguments of "vault apply"
	commands *deployer
}

// production is the environment "prod", made by the first test that asks.
func production(t *testing.T) (*world, *environment) {
	t.Helper()
	w := shared(t)
	env, err := w.prod()
	require.NoError(t, err)
	return w, env
}

// wired is an environment of this test's own.
func wired(t *testing.T, id string, replace ...string) (*world, *environment) {
	t.Helper()
	w := shared(t)
	env, err := w.wire(t.Context(), id, kubernetesAuth, replace...)
	require.NoError(t, err)
	return w, env
}

// The methods by which Vault proves a pod's token.
const (
	kubernetesAuth = "kubernetes"
	jwtAuth        = "jwt"
)

// wire makes the environment id of testdata/environment.yaml, with pairs of texts replaced, and has the deployer wire and render it. The auth mount is
// called after its method.
func (w *world) wire(ctx context.Context, id, method string, replace ...string) (*environment, error) {
	env := &environment{id: id, commands: &deployer{world: w}}
	var errs [2]error
	env.sales, errs[0] = secretref.ParseScope(id + "/acme/sales")
	env.support, errs[1] = secretref.ParseScope(id + "/acme/support")
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if err := env.write(w.Dir(), append(replace, "auth_mount: kubernetes", "auth_mount: "+method)); err != nil {
		return nil, err
	}
	if err := env.prepare(w, method); err != nil {
		return nil, err
	}
	if err := env.apply(ctx, w); err != nil {
		return nil, err
	}
	text, err := env.commands.run(ctx, "render", "--environment", env.file, "--requirements", "sales-bot=testdata/requirements.json")
	if err != nil {
		return nil, err
	}
	if env.objects, err = lab.Objects([]byte(text)); err != nil {
		return nil, err
	}
	return env, w.Apply(ctx, env.objects...)
}

// write writes the manifest into a folder of its own.
func (e *environment) write(dir string, replace []string) error {
	text, err := os.ReadFile("testdata/environment.yaml")
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "environments", e.id)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	e.file = filepath.Join(folder, "environment.yaml")
	words := strings.NewReplacer(append([]string{"id: prod", "id: " + e.id}, replace...)...)
	return os.WriteFile(e.file, []byte(words.Replace(string(text))), 0o600)
}

// prepare writes the files that "vault apply" reads about the cluster, and makes its arguments.
func (e *environment) prepare(w *world, method string) error {
	ca, err := w.KubernetesCA()
	if err != nil {
		return err
	}
	keys, err := w.ServiceAccountPublicKeyPEM()
	if err != nil {
		return err
	}
	folder := filepath.Dir(e.file)
	for name, content := range map[string]string{"cluster.pem": string(ca), "reviewer.jwt": w.ReviewerToken(), "keys.pem": string(keys)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	e.wiring = []string{"vault", "apply", "--environment", e.file, "--method", method}
	if method == jwtAuth {
		e.wiring = append(e.wiring, "--jwt-keys", filepath.Join(folder, "keys.pem"))
		return nil
	}
	e.wiring = append(e.wiring, "--cluster-host", w.KubernetesHost(), "--cluster-ca", filepath.Join(folder, "cluster.pem"),
		"--reviewer-token-file", filepath.Join(folder, "reviewer.jwt"))
	return nil
}

// apply is "vault apply".
func (e *environment) apply(ctx context.Context, w *world) error {
	w.wiring.Lock()
	defer w.wiring.Unlock()
	_, err := e.commands.run(ctx, e.wiring...)
	return err
}

// badgeOf is the identity that proves scope in the layout that the environment is rendered in.
func badgeOf(scope secretref.Scope) badge.Badge { return badge.For(badge.LayoutScope, scope) }

// deployer runs gtc-deployer as Vault's operator does.
type deployer struct{ world *world }

func (d *deployer) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	token, err := d.world.VaultToken()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, d.world.program("gtc-deployer"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.world.Dir(), "VAULT_ADDR=" + d.world.VaultAddr(), "VAULT_TOKEN=" + token}
	return cmd, nil
}

// run is the standard output of a command that has to succeed.
func (d *deployer) run(ctx context.Context, args ...string) (string, error) {
	cmd, err := d.command(ctx, args...)
	if err != nil {
		return "", err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("gtc-deployer %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
