package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func (d *demo) devStore() string { return filepath.Join(d.stage.Dir, ".dev.secrets.env") }

func (d *demo) examples() string { return filepath.Join(d.root, "examples") }

func (d *demo) environment() string { return filepath.Join(d.examples(), "vault", "environment.json") }

func (d *demo) writeDevStore(context.Context) error {
	size, err := laptop.Write(d.devStore(), d.secrets)
	if err != nil {
		return err
	}
	d.Say("%s: %d secrets of two teams and their tenant, %d bytes", filepath.Base(d.devStore()), len(d.secrets), size)
	for _, s := range d.secrets {
		d.Say("  %-72s %s", s.Ref, d.shown(s.Value))
	}
	return nil
}

// shown is a value for a person: its size, and itself only if asked for.
func (d *demo) shown(value secret.Value) string {
	if d.reveal {
		return value.RevealString()
	}
	return fmt.Sprintf("%d bytes", value.Len())
}

func (d *demo) wireVault(ctx context.Context) error {
	if _, err := d.deployer(ctx, nil, "vault", "apply"); err != nil {
		return err
	}
	d.Say("and once more:")
	again, err := d.deployer(ctx, nil, "vault", "apply")
	if err == nil && !strings.Contains(again, "\n0 written, ") {
		err = errors.New("the second run wrote something")
	}
	return err
}

func (d *demo) importSecrets(ctx context.Context) error {
	_, err := d.deployer(ctx, nil, "secrets", "import", d.devStore())
	return err
}

// applyManifests renders as an operator would. The worker's image, and the one with a shell that stages its files, are not to be had here: stand-ins
// take their places.
func (d *demo) applyManifests(ctx context.Context) error {
	began := time.Now()
	text, err := d.run(ctx, nil, "render",
		"--requirements", "crm-assistant/messaging-slack="+filepath.Join(d.examples(), "messaging-slack.secret-requirements.json"),
		"--worker-image", d.stage.Images.Worker, "--init-image", d.stage.Images.Init, "--exec-image", d.stage.Images.Provider,
		"--worker-command", stage.WorkerCommand, "--worker-arg", "-serve", "--worker-arg", ":"+port, "--worker-arg", "dev-store")
	if err != nil {
		return err
	}
	d.Measure("rendering: %s", narrator.Rounded(time.Since(began)))
	objects, err := lab.Objects([]byte(text))
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, object := range objects {
		kinds[object.GetKind()]++
		if object.GetKind() != "Deployment" {
			continue
		}
		deployment := &appsv1.Deployment{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
			return err
		}
		if err := followRotation(deployment); err != nil {
			return err
		}
		d.workers = append(d.workers, worker{deployment: deployment})
		if object.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(deployment); err != nil {
			return err
		}
		delete(object.Object, "status")
	}
	if kinds["Secret"] != 0 || kinds["Deployment"] != 2 {
		return fmt.Errorf("%d Secrets and %d Deployments were rendered where the example has none and two", kinds["Secret"], kinds["Deployment"])
	}
	d.Say("rendered %d lines; each worker's gtc-exec is told to --watch rewrite, so that it follows rotations", strings.Count(text, "\n"))
	if err := d.stage.Apply(ctx, objects...); err != nil {
		return err
	}
	d.Say("applied %d namespaces, %d ServiceAccounts, %d SecretProviderClasses, %d Deployments, no Secret",
		kinds["Namespace"], kinds["ServiceAccount"], kinds["SecretProviderClass"], kinds["Deployment"])
	return nil
}

// followRotation has a worker's gtc-exec write the dev-store file anew when the volume's secrets change.
func followRotation(d *appsv1.Deployment) error {
	command := d.Spec.Template.Spec.Containers[0].Command
	if len(command) < 2 || command[1] != "run" {
		return fmt.Errorf("worker %s is not started by gtc-exec run", d.Name)
	}
	d.Spec.Template.Spec.Containers[0].Command = append([]string{command[0], "run", "--watch", "rewrite"}, command[2:]...)
	return nil
}

// deployer is run, shown as an operator would see it.
func (d *demo) deployer(ctx context.Context, stdin []byte, args ...string) (string, error) {
	d.Say("$ gtc-deployer %s", strings.ReplaceAll(strings.Join(args, " "), d.stage.Dir+string(filepath.Separator), ""))
	output, err := d.run(ctx, stdin, args...)
	d.Say("%s", output)
	return output, err
}

// run runs the product's own program for the example's environment.
func (d *demo) run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	return d.stage.Deployer(ctx, stdin, append(args, "--environment", d.environment())...)
}
