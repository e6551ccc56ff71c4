package lab

import (
	"context"
	"fmt"
	"io"

	"github.com/greenticai/gtc-csi-provider/test/internal/build"
	"github.com/greenticai/gtc-csi-provider/test/internal/servers"
)

// programs are the servers, built.
type programs struct{ etcd, apiserver, vault, driver build.Built }

// Versions are the pinned versions of the lab's servers.
type Versions struct{ Etcd, Kubernetes, Vault, Driver string }

// Build compiles what the cache does not have yet, one server at a time, and says on progress (nil: to nobody) how far it is.
// A first build of all takes about twelve minutes on two cores; a later call takes milliseconds.
// The cache is the user's cache folder's gtc-csi-provider/lab, or the folder that GTC_LAB_CACHE names.
func Build(ctx context.Context, progress io.Writer) (Versions, error) {
	p, err := buildPrograms(ctx, progress)
	return p.versions(), err
}

func (p programs) versions() Versions {
	return Versions{Etcd: p.etcd.Version, Kubernetes: p.apiserver.Version, Vault: p.vault.Version, Driver: p.driver.Version}
}

func buildPrograms(ctx context.Context, progress io.Writer) (programs, error) {
	built, err := servers.Get(ctx, progress, servers.Etcd(), servers.APIServer(), servers.Vault(), servers.Driver())
	if err != nil {
		return programs{}, fmt.Errorf("building the lab's servers: %w", err)
	}
	return programs{etcd: built[0], apiserver: built[1], vault: built[2], driver: built[3]}, nil
}
