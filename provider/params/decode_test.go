package params_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

const validObjects = `- ref: secret://prod/acme/sales/slack/token
- ref: secrets://prod/acme/default/openai/key@3
  file: keys/openai
  mode: 0400
  key: api.key
  optional: true
- ref: secret://prod/acme/sales/db/password
  fallback: tenant
`

// valid is what the driver sends for a class in order, with what it and the kubelet add.
func valid() map[string]string {
	return map[string]string{
		"scope": "prod/acme/sales", "vault": "default", "objects": validObjects,
		"secretProviderClass": "sales", "providerName": "greentic", "csi.storage.k8s.io/pod.name": "worker-0",
		"csi.storage.k8s.io/ephemeral": "true", "csi.storage.k8s.io/serviceAccount.tokens": `{"vault":{"token":"canary"}}`,
	}
}

func TestDecode(t *testing.T) {
	got, err := params.Decode(valid())
	require.NoError(t, err)
	assert.Equal(t, params.Params{
		Scope: secretref.MustParseScope("prod/acme/sales"), Vault: "default",
		Objects: []params.Object{
			{Ref: secretref.MustParse("secret://prod/acme/sales/slack/token")},
			{Ref: secretref.MustParse("secret://prod/acme/_/openai/key@3"), File: "keys/openai", Mode: 0o400, Key: "api.key", Optional: true},
			{Ref: secretref.MustParse("secret://prod/acme/sales/db/password"), Fallback: true},
		},
	}, got)
	assert.Equal(t, "sales/slack/token", got.Objects[0].Path())
	assert.Equal(t, fs.FileMode(0o644), got.Objects[0].FileMode())
	assert.Equal(t, "keys/openai", got.Objects[1].Path())
	assert.Equal(t, fs.FileMode(0o400), got.Objects[1].FileMode())
	assert.Equal(t, "sales/db/password", got.Objects[2].Path(), "the path of a fallback stays the team's")

	attributes := valid()
	delete(attributes, "vault")
	got, err = params.Decode(attributes)
	require.NoError(t, err)
	assert.Empty(t, got.Vault)
}

// Each row is the valid class with one attribute changed, and the one fault that it makes.
func TestDecodeRefusesAttributes(t *testing.T) {
	const ref = "- ref: secret://prod/acme/sales/slack/token\n"
	for name, row := range map[string]struct {
		key, value string // "-" removes it
		text       string
		is         error
	}{
		"no scope":            {"scope", "-", "scope: is missing", nil},
		"empty scope":         {"scope", "", "scope: is missing", nil},
		"scope in part":       {"scope", "prod/acme", `scope: scope "prod/acme": a scope has exactly three segments`, secretref.ErrScope},
		"scope with a space":  {"scope", "prod/acme/sales ", "scope: ", secretref.ErrCharacter},
		"empty vault":         {"vault", "", `vault: "" is no connection's name`, nil},
		"vault with a dot":    {"vault", "a.b", `vault: "a.b" is no connection's name`, nil},
		"vault, an address":   {"vault", "https://evil:8200", "vault: ", nil},
		"vault in upper case": {"vault", "Default", "vault: ", nil},
		"vault too long":      {"vault", strings.Repeat("a", 64), "vault: ", nil},
		"vault with an end":   {"vault", "a-", "vault: ", nil},

		"a typing error":            {"object", ref, `"object": unknown parameter; did you mean "objects"?`, nil},
		"another typing error":      {"socpe", "x", `"socpe": unknown parameter; did you mean "scope"?`, nil},
		"another case":              {"Vault", "x", `"Vault": unknown parameter; did you mean "vault"?`, nil},
		"another provider's":        {"roleName", "x", `"roleName": unknown parameter; known are scope, vault, refreshInterval, objects`, nil},
		"what aims a token":         {"vaultAddress", "http://evil", `"vaultAddress": unknown parameter`, nil},
		"a hostile name":            {"a\nb", "x", `"a\nb": unknown parameter`, nil},
		"a name that is long":       {strings.Repeat("x", 5000), "x", `xxx"…: unknown parameter; known are`, nil},
		"nearly the kubelet's":      {"csi.storage.k8s.io", "x", `"csi.storage.k8s.io": unknown parameter`, nil},
		"the driver's in a capital": {"ProviderName", "x", `"ProviderName": unknown parameter`, nil},

		"no objects":           {"objects", "-", "objects: is missing", nil},
		"empty objects":        {"objects", "", "objects: is missing", nil},
		"a comment":            {"objects", "# nothing\n", "objects: is missing", nil},
		"an empty list":        {"objects", "[]", "objects: is an empty list", nil},
		"null":                 {"objects", "null", "objects: is no YAML list", nil},
		"a map":                {"objects", "ref: secret://prod/acme/sales/slack/token", "objects: is no YAML list", nil},
		"a text":               {"objects", "secret://prod/acme/sales/slack/token", "objects: is no YAML list", nil},
		"two documents":        {"objects", ref + "---\n" + ref, "objects: holds more than one YAML document", nil},
		"an end in the middle": {"objects", ref + "...\n" + ref, "objects: is not YAML: ", nil},
		"not YAML":             {"objects", "- ref: [\n", "objects: is not YAML: ", nil},
		"not YAML after all":   {"objects", ref + "---\n[", "objects: is not YAML: ", nil},
		"a tab":                {"objects", "-\tref: x\n\t- y", "objects: is not YAML: ", nil},
		"a control character":  {"objects", ref + "\x01", "objects: is not YAML: ", nil},
		"too long":             {"objects", strings.Repeat(" ", params.MaxObjectsText) + ref, "objects: has 65580 bytes, more than 65536", nil},
		"too many":             {"objects", strings.Repeat("- {}\n", 257), "objects: lists 257 objects, more than 256", nil},
		"an alias":             {"objects", "- &a {ref: 'secret://prod/acme/sales/slack/token'}\n- *a\n", "objects: line 1: YAML anchors and aliases", nil},
		"an anchor of a value": {"objects", "- ref: &a secret://prod/acme/sales/slack/token\n", "objects: line 1: YAML anchors and aliases", nil},
		"a merge":              {"objects", "- <<: {file: x}\n  ref: secret://prod/acme/sales/slack/token\n", `objects[0]: unknown field "<<"`, nil},
		"a tag":                {"objects", "- ref: !!binary c2VjcmV0\n", `objects: line 1: YAML tags are refused; write the value without "!!binary"`, nil},
		"a tag of one's own":   {"objects", "- !x\n  ref: secret://prod/acme/sales/slack/token\n", "objects: line 1: YAML tags are refused", nil},
		"a tag on a name":      {"objects", "- !!str ref: secret://prod/acme/sales/slack/token\n", "YAML tags are refused", nil},
		"an object, a text":    {"objects", "- secret://prod/acme/sales/slack/token\n", `objects[0]: is no map; write "ref: secret://..."`, nil},
		"an object, null":      {"objects", ref + "-\n", "objects[1]: is no map", nil},
		"an object, empty":     {"objects", ref + "- {}\n", "objects[1].ref: is missing", nil},
		"a name that is a map": {"objects", "- ? {a: b}\n  : c\n  ref: secret://prod/acme/sales/slack/token\n", `objects[0]: unknown field "";`, nil},
		"a name that is a list": {
			"objects", "- ref: secret://prod/acme/sales/slack/token\n  ? [file]\n  : c\n", `objects[0]: unknown field "";`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := valid()
			attributes[row.key] = row.value
			if row.value == "-" {
				delete(attributes, row.key)
			}
			oneFault(t, attributes, row.text, row.is)
		})
	}
}

// Each row is an object in order with one line added or changed, and the one fault that it makes.
func TestDecodeRefusesFields(t *testing.T) {
	const ref = "ref: secret://prod/acme/sales/slack/token"
	at := func(field, text string) string { return "objects[1]." + field + ": …" + text }
	for name, row := range map[string]struct {
		object string
		text   string
		is     error
	}{
		"ref of four segments": {"ref: secret://prod/acme/sales/slack", at("ref", `reference "secret://prod/acme/sales/slack": `), secretref.ErrSegments},
		"ref of another kind":  {"ref: file:///etc/passwd", at("ref", ""), secretref.ErrScheme},
		"ref in upper case":    {"ref: secret://prod/acme/sales/slack/TOKEN", at("ref", ""), secretref.ErrCharacter},
		"ref with a new line":  {`ref: "secret://prod/acme/sales/slack/token\n"`, at("ref", `reference "secret://prod/acme/sales/slack/token\n": `), secretref.ErrCharacter},
		"ref empty":            {"ref:", at("ref", "is empty"), nil},
		"ref a number":         {"ref: 12", at("ref", `"12" is not text to YAML; put it in quotes`), nil},
		"ref a list":           {"ref: [a]", at("ref", "a list is not text"), nil},
		"ref a map":            {"ref: {a: b}", at("ref", "a map is not text"), nil},
		"ref twice":            {ref + "\n  " + ref, at("ref", "stands twice"), nil},

		"unknown field":           {ref + "\n  objectName: x", `objects[1]: unknown field "objectName"; known are ref, path, args, file, mode, key, optional, fallback`, nil},
		"field with a typo":       {ref + "\n  optionall: true", `objects[1]: unknown field "optionall"; did you mean "optional"?`, nil},
		"field in another case":   {ref + "\n  File: x", `objects[1]: unknown field "File"; did you mean "file"?`, nil},
		"field swapped":           {ref + "\n  moed: 0644", `objects[1]: unknown field "moed"; did you mean "mode"?`, nil},
		"a field of a later time": {ref + `` + "\n  keys: '*'", `objects[1]: unknown field "keys"; did you mean "key"?`, nil},
		"mode twice":              {ref + "\n  mode: 0400\n  mode: 0400", at("mode", "stands twice"), nil},

		"file empty":            {ref + "\n  file: ''", at("file", "is empty; give it a value or leave it out"), nil},
		"file null":             {ref + "\n  file: ~", at("file", "is empty"), nil},
		"file a number":         {ref + "\n  file: 0644", at("file", "put it in quotes"), nil},
		"file a date":           {ref + "\n  file: 2026-01-31", at("file", "put it in quotes"), nil},
		"file absolute":         {ref + "\n  file: /etc/passwd", at("file", `"/etc/passwd" is absolute`), nil},
		"file above":            {ref + "\n  file: ../x", at("file", `"../x" starts with ".."`), nil},
		"file above later":      {ref + "\n  file: a/../../x", at("file", `"a/../../x" has a part ".."`), nil},
		"file through above":    {ref + "\n  file: a/../x", at("file", `has a part ".."`), nil},
		"file at above":         {ref + "\n  file: a/..", at("file", `has a part ".."`), nil},
		"file of the driver":    {ref + "\n  file: ..data/x", at("file", `starts with ".."`), nil},
		"file of dots":          {ref + "\n  file: ...", at("file", `starts with ".."`), nil},
		"file, the volume":      {ref + "\n  file: .", at("file", `"." is no file`), nil},
		"file from here":        {ref + "\n  file: ./x", at("file", `is not the shortest way to write the path; write "x"`), nil},
		"file with two slashes": {ref + "\n  file: a//x", at("file", `write "a/x"`), nil},
		"file, a folder":        {ref + "\n  file: a/", at("file", `write "a"`), nil},
		"file with a dot":       {ref + "\n  file: a/./x", at("file", `write "a/x"`), nil},
		"file with NUL":         {ref + "\n  file: \"a\\0b\"", at("file", `"a\x00b" holds a control character`), nil},
		"file with a new line":  {ref + "\n  file: \"a\\nb\"", at("file", `"a\nb" holds a control character`), nil},
		"file with DEL":         {ref + "\n  file: \"a\\x7fb\"", at("file", `holds a control character`), nil},
		"file with C1":          {ref + "\n  file: \"a\\u0085b\"", at("file", `holds a control character`), nil},
		"file too long":         {ref + "\n  file: " + strings.Repeat("a/", 2048) + "a", at("file", ""), nil},
		"file, part too long":   {ref + "\n  file: a/" + strings.Repeat("x", 256), at("file", ""), nil},
		"file taken":            {ref + "\n  file: sales/db/password", at("file", `"sales/db/password" is the file of objects[0] already`), nil},
		"file inside a file":    {ref + "\n  file: sales/db/password/x", at("file", `"sales/db/password/x" lies in "sales/db/password", which is the file of objects[0]`), nil},
		"file above a file":     {ref + "\n  file: sales/db", `objects[0].file: "sales/db/password" lies in "sales/db", which is the file of objects[1]`, nil},
		"default file taken":    {"ref: secrets://prod/acme/sales/db/password@2", at("file", `"sales/db/password" is the file of objects[0] already`), nil},

		"mode 644":            {ref + "\n  mode: 644", at("mode", `"644" is no mode; write the octal mode with a leading 0, 0001 to 0777, such as 0640 or 0o640`), nil},
		"mode 420":            {ref + "\n  mode: 420", at("mode", `"420" is no mode`), nil},
		"mode '644'":          {ref + "\n  mode: '644'", at("mode", `"644" is no mode`), nil},
		"mode 0":              {ref + "\n  mode: 0", at("mode", `"0" is no mode`), nil},
		"mode 0000":           {ref + "\n  mode: 0000", at("mode", `"0000" is no mode`), nil},
		"mode 0o":             {ref + "\n  mode: 0o", at("mode", `"0o" is no mode`), nil},
		"mode 0o1000":         {ref + "\n  mode: 0o1000", at("mode", `"0o1000" is no mode`), nil},
		"mode 04755":          {ref + "\n  mode: 04755", at("mode", `"04755" is no mode`), nil},
		"mode 0000000644":     {ref + "\n  mode: 0000000644", at("mode", `is no mode`), nil},
		"mode 0648":           {ref + "\n  mode: 0648", at("mode", `"0648" is no mode`), nil},
		"mode 0x1a4":          {ref + "\n  mode: 0x1a4", at("mode", `"0x1a4" is no mode`), nil},
		"mode 0b1":            {ref + "\n  mode: 0b1", at("mode", `"0b1" is no mode`), nil},
		"mode 06_44":          {ref + "\n  mode: 06_44", at("mode", `"06_44" is no mode`), nil},
		"mode 0O644":          {ref + "\n  mode: 0O644", at("mode", `"0O644" is no mode`), nil},
		"mode -0644":          {ref + "\n  mode: -0644", at("mode", `"-0644" is no mode`), nil},
		"mode 0+44":           {ref + "\n  mode: 0+44", at("mode", `"0+44" is no mode`), nil},
		"mode ' 0644'":        {ref + "\n  mode: ' 0644'", at("mode", `" 0644" is no mode`), nil},
		"mode u=rw":           {ref + "\n  mode: u=rw", at("mode", `"u=rw" is no mode`), nil},
		"mode empty":          {ref + "\n  mode:", at("mode", `"" is no mode`), nil},
		"mode a list":         {ref + "\n  mode: [0644]", at("mode", `a list is no mode`), nil},
		"key empty":           {ref + "\n  key: ''", at("key", "is empty"), nil},
		"key true":            {ref + "\n  key: true", at("key", `"true" is not text to YAML`), nil},
		"key with a new line": {ref + "\n  key: \"a\\nb\"", at("key", `"a\nb" holds a control character`), nil},
		"key too long":        {ref + "\n  key: " + strings.Repeat("k", 513), at("key", "has 513 bytes, more than 512"), nil},

		"optional yes":             {ref + "\n  optional: yes", at("optional", `"yes" is neither true nor false`), nil},
		"optional in quotes":       {ref + "\n  optional: 'true'", at("optional", `"true" is neither true nor false`), nil},
		"optional 1":               {ref + "\n  optional: 1", at("optional", `"1" is neither`), nil},
		"optional null":            {ref + "\n  optional:", at("optional", `"" is neither`), nil},
		"optional a map":           {ref + "\n  optional: {}", at("optional", "a map is neither"), nil},
		"fallback team":            {ref + "\n  fallback: team", at("fallback", `"team" is unknown; the only fallback is "tenant"`), nil},
		"fallback true":            {ref + "\n  fallback: true", at("fallback", `"true" is unknown`), nil},
		"fallback a list":          {ref + "\n  fallback: [tenant]", at("fallback", `a list is unknown`), nil},
		"fallback of the tenant's": {"ref: secret://prod/acme/_/slack/token\n  fallback: tenant", at("fallback", `"secret://prod/acme/_/slack/token" is the whole tenant's already`), nil},
		"fallback of default":      {"fallback: tenant\n  ref: secret://prod/acme/default/slack/token", at("fallback", `is the whole tenant's already`), nil},
		"fallback with a version":  {ref + "@3\n  fallback: tenant", at("fallback", `"secret://prod/acme/sales/slack/token@3" pins a version`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := valid()
			attributes["objects"] = "- ref: secret://prod/acme/sales/db/password\n- " + row.object + "\n"
			oneFault(t, attributes, row.text, row.is)
		})
	}
}

func TestDecodeTakesEverySpellingOfAMode(t *testing.T) {
	for text, want := range map[string]fs.FileMode{
		"0644": 0o644, "'0644'": 0o644, `"0o644"`: 0o644, "0o644": 0o644, "0001": 1, "01": 1, "0777": 0o777, "0o777": 0o777, "0o0640": 0o640, "00640": 0o640,
	} {
		attributes := valid()
		attributes["objects"] = "- ref: secret://prod/acme/sales/db/password\n  mode: " + text + "\n"
		got, err := params.Decode(attributes)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.Objects[0].Mode, text)
	}
}

func TestDecodeTakesJSON(t *testing.T) {
	attributes := valid()
	attributes["objects"] = `[{"ref": "secret://prod/acme/sales/db/password", "mode": "0600", "file": "0644", "optional": false}]`
	got, err := params.Decode(attributes)
	require.NoError(t, err)
	assert.Equal(t, params.Object{Ref: secretref.MustParse("secret://prod/acme/sales/db/password"), Mode: 0o600, File: "0644"}, got.Objects[0])
}

func TestDecodeTellsAllFaultsAtOnce(t *testing.T) {
	_, err := params.Decode(map[string]string{
		"scope": "prod", "vault": "-", "roleName": "x", "scpoe": "y",
		"objects": "- ref: secret://prod\n  mode: 644\n  file: /a\n  key: 1\n  optional: no\n  fallback: x\n  extra: y\n- file: a\n- 3\n",
	})
	require.ErrorIs(t, err, params.ErrInvalid)
	assert.Equal(t, []string{
		"scope", "vault", "objects[0].ref", "objects[0].mode", "objects[0].file", "objects[0].key", "objects[0].optional",
		"objects[0].fallback", "objects[0]", "objects[1].ref", "objects[2]", `"roleName"`, `"scpoe"`,
	}, paths(err))
	for _, is := range []error{secretref.ErrScope, secretref.ErrSegments} {
		assert.ErrorIs(t, err, is)
	}
}

// A class made of faults alone is answered with many of them, and with how many more there are.
func TestDecodeBoundsWhatItTells(t *testing.T) {
	attributes := valid()
	attributes["objects"] = "- " + strings.Repeat("a: \n  ", 9000)
	_, err := params.Decode(attributes)
	require.ErrorIs(t, err, params.ErrInvalid)
	assert.Len(t, paths(err), 101)
	assert.ErrorContains(t, err, "and 8901 faults more")
	assert.Less(t, len(err.Error()), 64<<10)
}

// Aliases that would grow a few bytes into gigabytes are refused before anything grows.
func TestDecodeRefusesABomb(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("- &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 30 {
		fmt.Fprintf(&bomb, "- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	attributes := valid()
	attributes["objects"] = bomb.String()
	oneFault(t, attributes, "YAML anchors and aliases are refused", nil)
}

func TestCheckVault(t *testing.T) {
	for _, name := range []string{"default", "a", "0", "a-b", "eu-1", strings.Repeat("a", params.MaxVault)} {
		assert.NoError(t, params.CheckVault(name), name)
	}
	for b := range 256 {
		name := "a" + string([]byte{byte(b)}) + "a"
		legal := b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-'
		assert.Equal(t, legal, params.CheckVault(name) == nil, "%q", name)
	}
}

// oneFault asserts that attributes have the one fault that text tells of; "…" in text stands for anything.
func oneFault(t *testing.T, attributes map[string]string, text string, is error) {
	t.Helper()
	before := maps.Clone(attributes)
	got, err := params.Decode(attributes)
	require.ErrorIs(t, err, params.ErrInvalid)
	assert.Len(t, paths(err), 1, "one mutation, one fault: %s", err)
	for part := range strings.SplitSeq(text, "…") {
		assert.ErrorContains(t, err, part)
	}
	if is != nil {
		assert.ErrorIs(t, err, is)
	}
	assert.Equal(t, params.Params{}, got, "nothing comes with an error")
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, err.Error(), "canary")
	assert.Less(t, len(err.Error()), 2000, "a long text is not repeated whole")
	assert.Equal(t, before, attributes)
}

// paths is the field path of each fault in a joined error.
func paths(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var found []string
	for _, fault := range joined.Unwrap() {
		if !errors.Is(fault, params.ErrInvalid) {
			continue
		}
		path, _, _ := strings.Cut(fault.Error(), ": ")
		found = append(found, path)
	}
	return found
}
