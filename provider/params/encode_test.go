package params_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestEncode(t *testing.T) {
	p, err := params.Decode(valid())
	require.NoError(t, err)
	got, err := params.Encode(p)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"scope": "prod/acme/sales", "vault": "default",
		"objects": `- ref: secret://prod/acme/sales/slack/token
- ref: secret://prod/acme/_/openai/key@3
  file: keys/openai
  mode: "0400"
  key: api.key
  optional: true
- ref: secret://prod/acme/sales/db/password
  fallback: tenant
`,
	}, got)
	again, err := params.Decode(got)
	require.NoError(t, err)
	assert.Equal(t, p, again)
}

func TestEncodeQuotesWhatYAMLWouldTakeForSomethingElse(t *testing.T) {
	for _, text := range []string{
		"true", "null", "~", "0644", "12", "1e3", "2026-01-31", "yes", "- x", "#x", "a: b", "a #b", "'", `"`, "*a", "&a", "!x", "{", "[", "@a", "%a",
		"<<", "=", "ä", "a  b", " a", "a ", "?", ".inf", "0x1", "😀",
	} {
		p := minimal()
		p.Objects[0].File, p.Objects[0].Key = text, text
		attributes, err := params.Encode(p)
		require.NoError(t, err, "%q", text)
		got, err := params.Decode(attributes)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, p, got)
	}
}

// Each row is a minimal class with one mutation that no class could express.
func TestEncodeRefuses(t *testing.T) {
	for text, mutate := range map[string]func(*params.Params){
		"scope: is missing":             func(p *params.Params) { p.Scope = secretref.Scope{} },
		"vault: ":                       func(p *params.Params) { p.Vault = "A" },
		"objects: is an empty list":     func(p *params.Params) { p.Objects = nil },
		"objects: lists 257":            func(p *params.Params) { p.Objects = make([]params.Object, 257) },
		"objects[0].ref: is missing":    func(p *params.Params) { p.Objects[0].Ref = secretref.Reference{} },
		`objects[0].mode: "1000"`:       func(p *params.Params) { p.Objects[0].Mode = 0o1000 },
		`is no mode`:                    func(p *params.Params) { p.Objects[0].Mode = fs.ModeDir | 0o755 },
		"objects[0].file: ":             func(p *params.Params) { p.Objects[0].File = "../x" },
		`objects[0].file: "a\nb" holds`: func(p *params.Params) { p.Objects[0].File = "a\nb" },
		"objects: line 2: YAML tags":    func(p *params.Params) { p.Objects[0].File = "\xff" },
		"objects[0].key: ":              func(p *params.Params) { p.Objects[0].Key = "a\tb" },
		"objects[1].file: ":             func(p *params.Params) { p.Objects = append(p.Objects, p.Objects[0]) },
		"objects[0].fallback: ": func(p *params.Params) {
			p.Objects[0].Ref, p.Objects[0].Fallback = p.Objects[0].Ref.WholeTenant(), true
		},
	} {
		p := minimal()
		mutate(&p)
		attributes, err := params.Encode(p)
		require.ErrorIs(t, err, params.ErrInvalid, text)
		assert.ErrorContains(t, err, text)
		assert.Nil(t, attributes)
	}
}

func minimal() params.Params {
	return params.Params{
		Scope:   secretref.MustParseScope("prod/acme/sales"),
		Objects: []params.Object{{Ref: secretref.MustParse("secret://prod/acme/sales/slack/token")}},
	}
}

// TestTable: the table names what Encode writes, in its order, and every row says what it is.
func TestTable(t *testing.T) {
	var names []string
	for _, row := range params.Table() {
		names = append(names, row.Name)
		assert.NotEmpty(t, row.Type, row.Name)
		assert.True(t, strings.HasSuffix(row.Meaning, "."), row.Name)
	}
	assert.Equal(t, []string{
		"scope", "vault", "refreshInterval", "objects", "objects[].ref", "objects[].path", "objects[].args", "objects[].file", "objects[].mode", "objects[].key", "objects[].optional", "objects[].fallback",
	}, names)

	p := minimal()
	p.Vault, p.Refresh = "v", params.Always
	p.Objects[0] = params.Object{Ref: p.Objects[0].Ref, File: "f", Mode: 0o400, Key: "k", Optional: true, Fallback: true}
	attributes, err := params.Encode(p)
	require.NoError(t, err)
	at := 0
	for _, name := range names {
		field, isField := strings.CutPrefix(name, "objects[].")
		switch {
		case !isField:
			assert.Contains(t, attributes, name)
			continue
		case field == "path" || field == "args":
			continue // instead of ref, see TestRawPathsAreDecodedAndEncoded
		}
		next := strings.Index(attributes["objects"], field+":")
		assert.GreaterOrEqual(t, next, at, "%s in the table's order", field)
		at = next
	}
	assert.Equal(t, 6, strings.Count(attributes["objects"], "\n"), "all of them and nothing else")

	params.Table()[0].Name = "changed"
	assert.Equal(t, "scope", params.Table()[0].Name, "the caller's copy is its own")
}

func FuzzDecode(f *testing.F) {
	f.Add("prod/acme/sales", "default", validObjects)
	f.Add("e/t/_", "", "- {ref: 'secret://e/t/_/c/n', file: a/b, mode: 0o7}\n- {ref: 'secret://e/t/_/c/n', file: a}\n")
	f.Add("e/t/m", "v", "- &a\n  ref: *a\n")
	f.Add("e/t/m", "v", "- ref: secret://e/t/m/c/n\n  file: \"a\\u2028b\"\n  key: \"\\ufeff\"\n")
	f.Add("e/t/m", "v", "? [[[[[{")
	f.Fuzz(func(t *testing.T, scope, vault, objects string) {
		attributes := map[string]string{"scope": scope, "objects": objects}
		if vault != "" {
			attributes["vault"] = vault
		}
		p, err := params.Decode(attributes)
		if err != nil {
			require.ErrorIs(t, err, params.ErrInvalid)
			require.Equal(t, params.Params{}, p)
			for line := range strings.Lines(err.Error()) {
				require.Contains(t, line, ": ", "no text of the class breaks a fault's line")
			}
			return
		}
		obeysTheDriver(t, p)
		encoded, err := params.Encode(p)
		require.NoError(t, err, "%+v", p)
		again, err := params.Decode(encoded)
		require.NoError(t, err)
		require.Equal(t, p, again)
		stable, err := params.Encode(again)
		require.NoError(t, err)
		require.Equal(t, encoded, stable)
	})
}

// obeysTheDriver says once more, independently, what the driver demands of the files (secrets-store-csi-driver 1.6, pkg/util/fileutil).
func obeysTheDriver(t *testing.T, p params.Params) {
	t.Helper()
	files := map[string]bool{}
	for _, o := range p.Objects {
		file := o.Path()
		require.NotEmpty(t, file)
		require.LessOrEqual(t, len(file), 4096)
		require.Equal(t, path.Clean(file), file)
		require.False(t, path.IsAbs(file) || strings.HasPrefix(file, "..") || file == ".", "%q", file)
		for _, part := range strings.Split(file, "/") {
			require.NotEqual(t, "..", part)
			require.LessOrEqual(t, len(part), 255)
		}
		require.False(t, files[file], "%q twice", file)
		files[file] = true
		require.Zero(t, o.FileMode()&^0o777)
		require.NotZero(t, o.FileMode())
	}
	for file := range files {
		for other := range files {
			require.False(t, strings.HasPrefix(other, file+"/"), "%q lies in %q", other, file)
		}
	}
	require.NotEmpty(t, p.Objects)
	require.LessOrEqual(t, len(p.Objects), params.MaxObjects)
	require.False(t, p.Scope.IsZero())
}
