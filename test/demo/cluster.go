package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func (d *demo) startLab(ctx context.Context) (err error) {
	versions, err := lab.Build(ctx, d.Out)
	if err != nil {
		return err
	}
	d.lab, err = lab.Start(ctx, lab.Options{})
	if err != nil {
		return err
	}
	d.Say("etcd %s, kube-apiserver %s, Vault %s, Secrets Store CSI driver %s: ready after %s",
		versions.Etcd, versions.Kubernetes, versions.Vault, versions.Driver, narrator.Rounded(d.lab.ReadyAfter()))
	d.Measure("the lab's start, built before: %s", narrator.Rounded(d.lab.ReadyAfter()))
	return nil
}

func (d *demo) wireVault(ctx context.Context) error {
	reviewer := filepath.Join(d.lab.Dir(), "reviewer.token")
	if err := os.WriteFile(reviewer, []byte(d.lab.ReviewerToken()), 0o600); err != nil {
		return err
	}
	apply := []string{
		"vault", "apply", "--environment", d.environment(),
		"--kubeconfig", d.lab.Kubeconfig(), "--reviewer-token-file", reviewer,
	}
	if err := d.deployer(ctx, nil, apply...); err != nil {
		return err
	}
	mark, err := d.lab.AuditMark()
	if err != nil {
		return err
	}
	d.Say("and once more:")
	if err := d.deployer(ctx, nil, apply...); err != nil {
		return err
	}
	entries, err := d.lab.AuditSince(mark)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Operation != "read" && e.Operation != "list" {
			return fmt.Errorf("the second run wrote: %s %s", e.Operation, e.Path)
		}
	}
	d.Say("Vault's audit log: the second run wrote nothing")
	return nil
}

func (d *demo) importSecrets(ctx context.Context) error {
	return d.deployer(ctx, nil, "secrets", "import", d.devStore, "--environment", d.environment())
}

func (d *demo) applyManifests(ctx context.Context) error {
	rendered := filepath.Join(d.lab.Dir(), "manifests")
	// The worker's image is not to be had here; a stand-in reads its dev-store file exactly as a Greentic worker does.
	if err := d.deployer(ctx, nil, "render", "--environment", d.environment(),
		"--requirements", "crm-assistant/messaging-slack="+filepath.Join(d.examples, "messaging-slack.secret-requirements.json"),
		"--worker-command", standInPath, "--worker-arg", "dev-store", "--output", rendered); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(rendered, "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("nothing was rendered"))
	}
	text := make([][]byte, len(files))
	for i, file := range files {
		if text[i], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	all := bytes.Join(text, []byte("\n---\n"))
	objects, err := lab.Objects(all)
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, object := range objects {
		kinds[object.GetKind()]++
	}
	if kinds["Secret"] != 0 {
		return errors.New("a Secret was rendered")
	}
	// Files come in the order of their names, a cluster wants namespaces first.
	for _, namespaces := range []bool{true, false} {
		for _, object := range objects {
			if (object.GetKind() == "Namespace") == namespaces {
				if err := d.lab.Apply(ctx, object); err != nil {
					return err
				}
			}
		}
	}
	d.Say("applied %d namespaces, %d ServiceAccounts, %d SecretProviderClasses, %d Deployments, no Secret",
		kinds["Namespace"], kinds["ServiceAccount"], kinds["SecretProviderClass"], kinds["Deployment"])
	return nil
}

// environment is the example's file.
func (d *demo) environment() string { return filepath.Join(d.examples, "vault", "environment.json") }

func (d *demo) program(name string) string { return filepath.Join(d.programs, name) }

// deployer runs the product's own program as an operator would, and shows what it prints.
func (d *demo) deployer(ctx context.Context, stdin []byte, args ...string) error {
	token, err := d.lab.VaultToken()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, d.program("gtc-deployer"), args...)
	command.Env = append(d.lab.Environment(), "VAULT_ADDR="+d.lab.VaultAddr(), "VAULT_TOKEN="+token)
	command.Stdin = bytes.NewReader(stdin)
	output, err := command.CombinedOutput()
	d.Say("$ gtc-deployer %s", strings.Join(d.short(args), " "))
	d.Say("%s", output)
	return err
}

// short leaves folders out of a command's words.
func (d *demo) short(args []string) []string {
	short := make([]string, len(args))
	for i, arg := range args {
		for _, folder := range []string{d.lab.Dir(), filepath.Dir(d.examples)} {
			arg = strings.ReplaceAll(arg, folder+string(filepath.Separator), "")
		}
		short[i] = arg
	}
	return short
}
