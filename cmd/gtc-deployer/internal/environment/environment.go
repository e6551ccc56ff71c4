package environment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrInvalid is every fault of a manifest, and of a file that it or a flag names.
var ErrInvalid = errors.New("invalid environment")

// Schema is what a manifest's schema field says.
const Schema = "greentic.env-manifest.v1"

// Bounds of what is read, in bytes. They are far above what people write.
const (
	MaxManifest     = 1 << 20
	MaxAnswers      = 64 << 10
	MaxRequirements = 1 << 20
)

// Backend is where the workers' secrets come from.
type Backend string

// The backends.
const (
	// DevStore is the laptop's secret file, which upstream copies into the cluster as a Secret.
	DevStore Backend = "dev-store"
	// Vault is HashiCorp Vault or OpenBao, read by the provider for each pod.
	Vault Backend = "vault"
)

// Environment is what a manifest asks for. The zero value is no environment.
type Environment struct {
	ID        string // environment.id, the first segment of every scope
	TenantOrg string // environment.tenant_org_id: the tenant that owns the environment; "" where the manifest names none
	Backend   Backend
	Vault     VaultBinding // zero unless Backend is Vault
	Runtime   Runtime
	Workers   []Worker // by bundle and revision
}

// VaultBinding is the answers of the pack greentic.secrets.vault, with upstream's defaults. It holds nothing secret.
type VaultBinding struct {
	Address      string // http or https, without a path
	Role         string // upstream's one role for every worker; ours are computed from scopes
	KVMount      string // "secret"
	KVPrefix     string // "greentic"
	AuthMount    string // "kubernetes"
	TransitMount string // "transit"
	TransitKey   string // "greentic"
	Namespace    string // of Vault Enterprise or OpenBao; "" is none
}

// Runtime is what the pack greentic.deployer.k8s answers about the workers' pods. Zero values are upstream's defaults.
type Runtime struct {
	Namespace          string   // where a dev-store environment's objects go; with Vault namespaces are computed and this is ""
	Image              string   // the workers' image
	InitImage          string   // the image, with a shell, of the containers that stage files
	Cloudflared        bool     // each worker opens a cloudflared quick tunnel
	InsecureRegistries []string // registries from which bundles may be pulled over plain HTTP
}

// Worker is one bundle, or one of its revisions, as it runs in the cluster.
type Worker struct {
	Bundle      string          // bundle_id
	Revision    string          // the revision's name; "" for a bundle without revisions[]
	Scope       secretref.Scope // what the worker is locked to
	SourceURI   string          // where the worker pulls its bundle at boot; "" is nowhere
	Digest      string          // bundle_digest; "" is none
	ImageDigest string          // runtime_image_digest, "sha256:" and 64 hex digits; "" is the image as it is named
	Needs       []Need          // by reference, each secret once
}

// Need is a secret that a worker reads. The worker's scope grants it.
type Need struct {
	Ref      secretref.Reference
	Optional bool   // the worker starts without it
	Fallback bool   // where the team's secret is absent, the whole tenant's of the same category and name serves
	From     string // the field path that asks for it first
}

// Scopes are the workers' scopes, sorted, each once.
func (e Environment) Scopes() []secretref.Scope {
	scopes := make([]secretref.Scope, 0, len(e.Workers))
	for _, w := range e.Workers {
		scopes = append(scopes, w.Scope)
	}
	slices.SortFunc(scopes, func(a, b secretref.Scope) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(scopes)
}

// Load reads the manifest at path; files that it names are read below path's folder. Requirements add needs to its bundles.
func Load(path string, requirements ...Requirements) (Environment, error) {
	document, err := readManifest(path)
	if err != nil {
		return Environment{}, fmt.Errorf("reading environment file %q: %w", path, readingFault(err))
	}
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return Environment{}, fmt.Errorf("reading environment file %q: opening its folder: %w", path, readingFault(err))
	}
	defer func() { _ = folder.Close() }()
	env, err := Parse(document, folder.FS(), requirements...)
	if err != nil {
		return Environment{}, fmt.Errorf("reading environment file %q:\n%w", path, err)
	}
	return env, nil
}

func readManifest(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readAtMost(file, MaxManifest)
}

// Parse reads a manifest. Files that it names are read from files, which must not lead out of the manifest's folder (os.Root.FS does not);
// nil is a folder without files. Requirements add needs to its bundles. Every fault is an ErrInvalid, and all are told at once.
func Parse(document []byte, files fs.FS, requirements ...Requirements) (Environment, error) {
	wrong := faults.Of(ErrInvalid)
	tree, err := parseDocument(document, MaxManifest)
	if err != nil {
		wrong.Add("manifest", err)
		return Environment{}, wrong.Err()
	}
	p := parser{faults: wrong, files: files}
	p.manifest(tree)
	p.requirements(requirements)
	p.assign()
	if err := wrong.Err(); err != nil {
		return Environment{}, err
	}
	return p.env, nil
}

// readAtMost reads limit bytes and one more, which shows parseDocument that there are too many.
func readAtMost(file io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(file, limit+1))
}
