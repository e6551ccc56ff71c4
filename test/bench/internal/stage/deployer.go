package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// deployer runs the product's deployer: Vault is wired, and the records get into it, exactly as an operator would have
// it.
type deployer struct {
	program string
	stage   *Stage
}

// environment is a Greentic environment with one worker, of the stage's scope.
func (d deployer) environment() ([]byte, error) {
	type object = map[string]any
	scope := d.stage.scope
	return json.Marshal(object{
		"schema":      "greentic.env-manifest.v1",
		"environment": object{"id": scope.Env(), "tenant_org_id": scope.Tenant()},
		"packs": []object{{
			"slot": "secrets", "kind": "greentic.secrets.vault@0.1.0", "pack_ref": "builtin",
			"answers": object{"addr": d.stage.lab.VaultAddr(), "role": "gtc-worker"},
		}},
		"bundles": []object{{
			"bundle_id": "bench", "bundle_path": "bench.gtbundle", "customer_id": "bench",
			"route_binding": object{
				"path_prefixes":   []string{"/bench"},
				"tenant_selector": object{"tenant": scope.Tenant(), "team": scope.Team()},
			},
		}},
	})
}

func (d deployer) wire(ctx context.Context) error {
	environment, err := d.environment()
	if err != nil {
		return err
	}
	ca, err := d.stage.lab.KubernetesCA()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"environment.json": environment, "cluster.crt": ca, "reviewer.token": []byte(d.stage.lab.ReviewerToken()),
	} {
		if err := os.WriteFile(d.stage.Path(name), content, 0o600); err != nil {
			return fmt.Errorf("writing the deployer's files: %w", err)
		}
	}
	return d.run(ctx, "vault", "apply", "--environment", d.stage.Path("environment.json"), "--audience", Audience,
		"--cluster-host", d.stage.lab.KubernetesHost(), "--cluster-ca", d.stage.Path("cluster.crt"),
		"--reviewer-token-file", d.stage.Path("reviewer.token"))
}

func (d deployer) importRecords(ctx context.Context) error {
	store, err := d.stage.devStore()
	if err != nil {
		return fmt.Errorf("making the records: %w", err)
	}
	if err := os.WriteFile(d.stage.Path("dev-store"), store, 0o600); err != nil {
		return fmt.Errorf("writing the deployer's files: %w", err)
	}
	return d.run(ctx, "secrets", "import", d.stage.Path("dev-store"), "--environment", d.stage.Path("environment.json"))
}

// runTime is what one command may take.
const runTime = 2 * time.Minute

func (d deployer) run(ctx context.Context, args ...string) error {
	token, err := d.stage.lab.VaultToken()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	command := exec.CommandContext(ctx, d.program, args...)
	command.Env = append(d.stage.lab.Environment(), "VAULT_TOKEN="+token)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("gtc-deployer %s: %w: %s", strings.Join(args[:2], " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
