// Package layering holds the product's architecture as a test: who may import whom, what a program may link, and what must not compile.
package layering_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/greenticai/gtc-csi-provider"

// mayImport lists, for every package of the product, the product's packages that it may import. The order is DESIGN's: data flows one
// way. A package that is missing here fails the test, so that each new one is placed on purpose.
var mayImport = map[string][]string{
	"provider/faults":    {},
	"provider/secretref": {"provider/faults"},
	"provider/secret":    {},
	"provider/exactjson": {},
	"provider/logkey":    {},
	"provider/rawpath":   {"provider/secretref", "provider/faults"},
	"provider/badge":     {"provider/secretref", "provider/rawpath", "provider/secret", "provider/exactjson"},
	"provider/params":    {"provider/secretref", "provider/rawpath", "provider/faults"},
	"provider/record":    {"provider/secretref", "provider/secret", "provider/exactjson"},
	"provider/config":    {"provider/badge", "provider/params", "provider/rawpath", "provider/secretref", "provider/faults", "provider/logkey"},
	"provider/mount":     {"provider/params", "provider/badge", "provider/secret", "provider/exactjson"},
	"provider/vault":     {"provider/secret", "provider/exactjson"},
	"provider/fetch":     {"provider/badge", "provider/vault", "provider/record", "provider/secretref", "provider/secret", "provider/exactjson"},
	"provider/lease":     {"provider/badge", "provider/vault", "provider/fetch"},
	"provider/object": {
		"provider/fetch", "provider/mount", "provider/params", "provider/record", "provider/secret", "provider/exactjson", "provider/secretref",
	},
	"provider/kubeapi":     {"provider/exactjson"},
	"provider/events":      {"provider/badge", "provider/kubeapi", "provider/logkey"},
	"provider/podwatch":    {"provider/kubeapi", "provider/exactjson", "provider/logkey"},
	"provider/session":     {"provider/badge", "provider/vault", "provider/secret"},
	"provider/rpc":         {"provider/logkey"},
	"provider/rpc/rpctest": {"provider/rpc"},
	"provider": {
		"provider/secretref", "provider/badge", "provider/params", "provider/mount", "provider/vault", "provider/fetch", "provider/object", "provider/config",
		"provider/secret", "provider/record", "provider/logkey", "provider/session",
		"provider/events", "provider/lease", "provider/podwatch",
	},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func TestImportsFlowOneWay(t *testing.T) {
	for _, pkg := range list(t, "./provider/...") {
		name := strings.TrimPrefix(pkg.ImportPath, module+"/")
		allowed, placed := mayImport[name]
		if !assert.True(t, placed, "%s has no place in the layering: give it one in mayImport", name) {
			continue
		}
		for _, imported := range pkg.Imports {
			if ours, found := strings.CutPrefix(imported, module+"/"); found {
				assert.Contains(t, allowed, ours, "%s may not import it", name)
			}
		}
	}
}

func TestWordsNeedOnlyTheStandardLibraryAndYAML(t *testing.T) {
	for _, name := range []string{"faults", "secretref", "rawpath", "secret", "logkey", "badge", "params", "record"} {
		for _, pkg := range list(t, "-deps", "./provider/"+name) {
			ours := strings.HasPrefix(pkg.ImportPath, module)
			yaml := strings.HasPrefix(pkg.ImportPath, "go.yaml.in/yaml/")
			assert.True(t, pkg.Standard || ours || yaml, "provider/%s depends on %s", name, pkg.ImportPath)
		}
	}
}

func TestWhatAProgramMayNotLink(t *testing.T) {
	for program, foreign := range map[string][]string{
		// A clientset would triple the DaemonSet's size, and the provider only adds Events in the Kubernetes API, and watches its node's pods.
		"cmd/gtc-csi-provider": {"k8s.io/client-go", "k8s.io/api/", "k8s.io/apimachinery", module + "/cmd/gtc-deployer", module + "/provider/rpc/rpctest"},
		// What stands before every worker is small and has no way to the network.
		"cmd/gtc-exec":     {"k8s.io/", "google.golang.org/grpc", "github.com/hashicorp/", "net/http"},
		"cmd/gtc-deployer": {module + "/provider/rpc", module + "/provider/fetch", module + "/provider/mount"},
	} {
		for _, pkg := range list(t, "-deps", "./"+program) {
			for _, prefix := range foreign {
				assert.False(t, strings.HasPrefix(pkg.ImportPath, prefix), "%s links %s", program, pkg.ImportPath)
			}
		}
	}
}

// mustNotCompile are the mistakes that the types make impossible, each with what the compiler says of it.
var mustNotCompile = map[string]struct{ code, says string }{
	"a reference made without Parse": {
		`import "github.com/greenticai/gtc-csi-provider/provider/secretref"
		 var _ = secretref.Reference{category: "c", name: "n"}`, "unexported field",
	},
	"a scope made without ParseScope": {
		`import "github.com/greenticai/gtc-csi-provider/provider/secretref"
		 var _ = secretref.Scope{env: "prod"}`, "unexported field",
	},
	"MustParse of what is not a constant": {
		`import "github.com/greenticai/gtc-csi-provider/provider/secretref"
		 func f(s string) secretref.Reference { return secretref.MustParse(s) }`, "cannot use s",
	},
	"a Granted made outside badge": {
		`import ("github.com/greenticai/gtc-csi-provider/provider/badge"; "github.com/greenticai/gtc-csi-provider/provider/secretref")
		 var _ = badge.Granted{ref: secretref.MustParse("secret://prod/acme/sales/slack/token")}`, "unexported field",
	},
	"a raw path asked for without Parse": {
		`import "github.com/greenticai/gtc-csi-provider/provider/rawpath"
		 var _ = rawpath.Request{path: "sys/raw"}`, "unexported field",
	},
	"a raw path granted outside badge": {
		`import "github.com/greenticai/gtc-csi-provider/provider/badge"
		 var _ = badge.Granted{path: badge.Path{}}`, "unexported field",
	},
	"a granted raw path made outside badge": {
		`import "github.com/greenticai/gtc-csi-provider/provider/badge"
		 var _ = badge.Path{kind: badge.KindLease}`, "unexported field",
	},
	"a secret read without Reveal": {
		`import "github.com/greenticai/gtc-csi-provider/provider/secret"
		 func f(v secret.Value) string { return string(v) }`, "cannot convert",
	},
}

func TestTheWrongThingDoesNotCompile(t *testing.T) {
	for name, row := range mustNotCompile {
		t.Run(name, func(t *testing.T) {
			output, err := compile(t, "package snippet\n"+row.code)
			require.Error(t, err, "it compiles")
			assert.Contains(t, output, row.says)
		})
	}
	output, err := compile(t, `package snippet
		import "github.com/greenticai/gtc-csi-provider/provider/secretref"
		var _ = secretref.MustParse("secret://prod/acme/sales/slack/token")`)
	require.NoError(t, err, "the same way of compiling takes right code: %s", output)
}

// compile builds code as if it were a package of the product.
func compile(t *testing.T, code string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "snippet.go")
	require.NoError(t, os.WriteFile(source, []byte(code), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root(t), "provider", "snippet", "snippet.go"): source,
	}})
	require.NoError(t, err)
	overlayFile := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlayFile, overlay, 0o600))
	command := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlayFile, "./provider/snippet")
	command.Dir = root(t)
	text, err := command.CombinedOutput()
	return string(text), err
}

// list asks go list, in the product's module, about its packages.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"list", "-json=ImportPath,Imports,Deps,Standard"}, args)...)
	command.Dir = root(t)
	command.Stderr = os.Stderr
	output, err := command.Output()
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	var packages []listed
	for decoder.More() {
		var pkg listed
		require.NoError(t, decoder.Decode(&pkg))
		packages = append(packages, pkg)
	}
	require.NotEmpty(t, packages)
	return packages
}

func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../..")
	require.NoError(t, err)
	return path
}
