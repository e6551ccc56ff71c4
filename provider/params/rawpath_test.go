package params_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
)

const rawObjects = `- path: database/creds/gtc.prod.acme.sales
  file: db/user
  key: username
- path: pki/issue/web
  args:
    common_name: sales.acme
    ttl: "24"
  file: tls.crt
  mode: "0400"
  key: certificate
  optional: true
`

func rawClass(objects string) map[string]string {
	return map[string]string{"scope": "prod/acme/sales", "objects": objects}
}

func TestRawPathsAreDecodedAndEncoded(t *testing.T) {
	got, err := params.Decode(rawClass(rawObjects))
	require.NoError(t, err)
	credential, err := rawpath.Parse("database/creds/gtc.prod.acme.sales", nil)
	require.NoError(t, err)
	certificate, err := rawpath.Parse("pki/issue/web", map[string]string{"common_name": "sales.acme", "ttl": "24"})
	require.NoError(t, err)
	assert.Equal(t, []params.Object{
		{Raw: credential, File: "db/user", Key: "username"},
		{Raw: certificate, File: "tls.crt", Mode: 0o400, Key: "certificate", Optional: true},
	}, got.Objects)
	assert.Equal(t, "db/user", got.Objects[0].Path())
	attributes, err := params.Encode(got)
	require.NoError(t, err)
	assert.Equal(t, rawObjects, attributes["objects"])

	got, err = params.Decode(rawClass("- {args: {x: y}, file: a, path: 'kv/a?version=3'}"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"version": "3", "x": "y"}, got.Objects[0].Raw.Args(), "in whatever order they stand")
}

// Each row is an object of a raw path with one mutation, and the one fault that it makes.
func TestDecodeRefusesRawPaths(t *testing.T) {
	for name, row := range map[string]struct {
		object, text string
		is           error
	}{
		"a path that walks":       {"{path: kv/../a, file: a}", `objects[0].path: "kv/../a" has an empty segment`, rawpath.ErrSegment},
		"a path that is escaped":  {"{path: 'kv/%2e%2e', file: a}", `objects[0].path: "kv/%2e%2e" holds a character`, rawpath.ErrCharacter},
		"Vault's own":             {"{path: sys/policy/a, file: a}", `objects[0].path: "sys/policy/a" is Vault's own`, rawpath.ErrReserved},
		"a path that is empty":    {"{path: '', file: a}", "objects[0].path: is empty; give it a value or leave it out", nil},
		"a reference too":         {"{path: kv/a, file: a, ref: 'secret://prod/acme/sales/db/password'}", "objects[0].path: stands beside ref", nil},
		"no file":                 {"{path: kv/a}", "objects[0].file: is missing; a raw path has no file of its own", nil},
		"a fallback":              {"{path: kv/a, file: a, fallback: tenant}", "objects[0].fallback: stands beside path", nil},
		"args alone":              {"{args: {a: b}, file: a}", "objects[0].args: stands without path", nil},
		"args that are text":      {"{path: kv/a, file: a, args: b}", `objects[0].args: "b" is no map of names and texts`, nil},
		"args that are empty":     {"{path: kv/a, file: a, args: {}}", "objects[0].args: a map is no map of names and texts", nil},
		"an arg that is a number": {"{path: kv/a, file: a, args: {ttl: 24}}", `objects[0].args: "ttl": "24" is not text to YAML; put it in quotes`, nil},
		"an arg twice":            {"{path: kv/a, file: a, args: {ttl: x, ttl: y}}", `objects[0].args: "ttl" stands twice; remove one`, nil},
		"an arg of the path":      {"{path: 'kv/a?ttl=x', file: a, args: {ttl: y}}", `objects[0].args: "ttl": is sent already, by the path`, rawpath.ErrTwice},
		"an arg's name":           {"{path: kv/a, file: a, args: {TTL: y}}", `objects[0].args: "TTL" is no field to send`, rawpath.ErrArgument},
		"a name that is a list":   {"{path: kv/a, file: a, args: {[a]: y}}", "objects[0].args: a list is not text", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := params.Decode(rawClass("- " + row.object))
			require.ErrorIs(t, err, params.ErrInvalid)
			require.ErrorContains(t, err, row.text)
			assert.NotContains(t, err.Error(), "\n", "one mutation, one fault")
			if row.is != nil {
				assert.ErrorIs(t, err, row.is)
			}
		})
	}
}
