package params

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// Row describes one parameter, for whoever writes a class.
type Row struct {
	Name    string // as it is written; an object's field is "objects[].<field>"
	Type    string
	Default string // "" where the parameter must be given
	Meaning string // one sentence or two
}

// Table is every parameter of a class in the order in which Encode writes them.
func Table() []Row {
	rows := make([]Row, 0, len(parameters)+len(fields))
	for _, p := range parameters {
		rows = append(rows, p.row)
		if p.row.Name == "objects" {
			for _, f := range fields {
				row := f.row
				row.Name = "objects[]." + row.Name
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// parameter is a key of a class's parameters and how it is read.
type parameter struct {
	row  Row
	read func(*Params, string, *faults.List)
}

// field is a key of an object and how it is read.
type field struct {
	row  Row
	read func(*Object, *yaml.Node) error
}

var parameters = []parameter{
	{
		row: Row{
			Name: "scope", Type: "`<env>/<tenant>/<team>`",
			Meaning: "What the pod is locked to. Its namespace and ServiceAccount must prove it; the team `_` is the whole tenant.",
		},
		read: readScope,
	},
	{
		row: Row{
			Name: "vault", Type: "name", Default: "the provider's first",
			Meaning: "The connection, by its name in the provider's configuration.",
		},
		read: readVault,
	},
	{
		row: Row{
			Name: "refreshInterval", Type: "duration or `always`", Default: "the provider's, `5m`",
			Meaning: "How old the values may be before a call of the driver reads them again; not less than the operator's minimum, " +
				"and `always` only where the operator allows it.",
		},
		read: readRefresh,
	},
	{
		row: Row{
			Name: "objects", Type: "YAML list",
			Meaning: "The secrets to mount, 1 to 256 of them.",
		},
		read: readObjects,
	},
}

var fields = []field{
	{
		row: Row{
			Name: "ref", Type: "reference", Default: "required, or `path`",
			Meaning: "The secret: `secret://<env>/<tenant>/<team>/<category>/<name>`, with `@<version>` to pin a version.",
		},
		read: readRef,
	},
	{
		row: Row{
			Name: "path", Type: "Vault path", Default: "none",
			Meaning: "Instead of `ref`: a path that the operator's `rawPaths` grant, such as `database/creds/gtc.prod.acme.sales`. Objects with the same " +
				"`path` and `args` are files of one answer: a credential's user and password belong together, a certificate and its key too.",
		},
		read: readPath,
	},
	{
		row: Row{
			Name: "args", Type: "map of text", Default: "none",
			Meaning: "What is sent with `path`, such as `common_name`; the operator names what may be.",
		},
		read: readArgs,
	},
	{
		row: Row{
			Name: "file", Type: "path", Default: "`<team>/<category>/<name>`",
			Meaning: "The file, relative to the volume. With `path` it must be given.",
		},
		read: readFile,
	},
	{
		row: Row{
			Name: "mode", Type: "octal", Default: "`0644`",
			Meaning: "The file's mode, written with a leading 0 or 0o, `0001` to `0777`.",
		},
		read: readMode,
	},
	{
		row: Row{
			Name: "key", Type: "text", Default: "the whole value",
			Meaning: "The field to take out of a secret that is a JSON object, out of a plain KV secret, or out of what Vault answers on `path`, " +
				"where a list of texts is joined by line breaks and without `key` all of it is one JSON object.",
		},
		read: readKey,
	},
	{
		row: Row{
			Name: "optional", Type: "`true` or `false`", Default: "`false`",
			Meaning: "Mount without the file if the secret is absent.",
		},
		read: readOptional,
	},
	{
		row: Row{
			Name: "fallback", Type: "`tenant`", Default: "none",
			Meaning: "Read the whole tenant's secret (team `_`) where the team's is absent. The file's path stays the team's.",
		},
		read: readFallback,
	},
}

// ignored reports whether key is the kubelet's or the driver's own, which stand among the parameters that a provider is sent.
func ignored(key string) bool {
	return strings.HasPrefix(key, "csi.storage.k8s.io/") || key == "secretProviderClass" || key == "providerName"
}

func parameterNamed(name string) (parameter, bool) {
	for _, p := range parameters {
		if p.row.Name == name {
			return p, true
		}
	}
	return parameter{}, false
}

func fieldNamed(name string) (field, bool) {
	for _, f := range fields {
		if f.row.Name == name {
			return f, true
		}
	}
	return field{}, false
}

func parameterNames() []string {
	names := make([]string, len(parameters))
	for i, p := range parameters {
		names[i] = p.row.Name
	}
	return names
}

func fieldNames() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.row.Name
	}
	return names
}
