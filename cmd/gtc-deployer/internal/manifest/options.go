package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

// ErrInvalid is every fault of the options, and an environment of which nothing can be rendered.
var ErrInvalid = errors.New("invalid rendering")

// The images of options that name none. The first two are upstream's; the last is what "make image" of a checkout makes.
const (
	DefaultWorkerImage = "ghcr.io/greenticai/greentic-start-distroless:latest"
	DefaultInitImage   = "busybox:1.36.1"
	DefaultExecImage   = ExecRepository + ":dev"
)

// ExecRepository is where our image with gtc-exec lies. Its tags are versions without a "v", as the chart's appVersion is.
const ExecRepository = "ghcr.io/greenticai/gtc-csi-provider"

// DefaultWorkerCommand is the entrypoint of upstream's image (greentic-start, Dockerfile.distroless). gtc-exec takes its place in the pod and
// has to be told.
const DefaultWorkerCommand = "/usr/local/bin/greentic-start"

// Options are what an environment manifest does not say. The zero value is upstream's way with one namespace for each team.
type Options struct {
	Layout        badge.Layout // how scopes are laid out over namespaces; "" is badge.LayoutScope. It must be the provider's
	Connection    string       // the provider's Vault connection; "" is its first
	WorkerImage   string       // "" is the manifest's runtime_image, or else DefaultWorkerImage
	InitImage     string       // an image with a shell; "" is the manifest's init_image, or else DefaultInitImage
	ExecImage     string       // an image with gtc-exec; "" is DefaultExecImage
	WorkerCommand string       // the worker's program in its image; "" is DefaultWorkerCommand
	WorkerArgs    []string     // nil is upstream's: start --env <id>
	// EnvironmentStore is upstream's stored environment.json, from which its runtime boots; it holds references and no values. nil leaves
	// the ConfigMap gtc-env-store, where upstream keeps it, to whoever makes it.
	EnvironmentStore []byte
}

// maxStore keeps the ConfigMap below what the API server takes, 1 MiB with all around it.
const maxStore = 1000 << 10

var imageName = regexp.MustCompile(`^[A-Za-z0-9.\-_/:@]+$`)

// check reports every fault at once.
func (o Options) check(env environment.Environment) error {
	var faults []error
	addf := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if _, err := badge.NewNaming(o.Layout); err != nil {
		addf("%w", err)
	}
	if o.Connection != "" {
		if err := params.CheckVault(o.Connection); err != nil {
			addf("connection: %w", err)
		}
	}
	for _, image := range []struct{ option, name string }{
		{"worker image", o.WorkerImage}, {"init image", o.InitImage}, {"exec image", o.ExecImage},
	} {
		if image.name != "" && !imageName.MatchString(image.name) {
			addf("%s: %q is no image: want only letters, digits, '.', '-', '_', '/', ':' and '@'", image.option, image.name)
		}
	}
	if o.EnvironmentStore != nil {
		if err := checkStore(o.EnvironmentStore, env.ID); err != nil {
			addf("environment store: %w", err)
		}
	}
	if len(env.Workers) == 0 {
		addf("environment %q has no bundle that is not archived, so there is no worker to render", env.ID)
	}
	return errors.Join(faults...)
}

// checkStore keeps another environment's store, and a file that is none, out of the pods.
func checkStore(store []byte, id string) error {
	if len(store) > maxStore {
		return fmt.Errorf("has more than %d bytes, too many for a ConfigMap", maxStore)
	}
	var head struct {
		EnvironmentID string `json:"environment_id"`
	}
	decoder := json.NewDecoder(bytes.NewReader(store))
	if err := decoder.Decode(&head); err != nil || decoder.More() {
		return errors.New("is not the JSON object of Greentic's environment.json")
	}
	if head.EnvironmentID != id {
		return fmt.Errorf("is of environment %q; want %q", head.EnvironmentID, id)
	}
	return nil
}
