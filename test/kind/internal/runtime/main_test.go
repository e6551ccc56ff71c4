package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// full is what an engine asks for with --privileged, as far as this test goes, and things that this program does not know.
const full = `{
	"ociVersion": "1.0.2",
	"process": {
		"args": ["sh"], "oomScoreAdj": -999, "user": {"uid": 18446744073709551615},
		"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"], "permitted": ["CAP_CHOWN"]}
	},
	"linux": {"resources": {"memory": {"limit": 9223372036854775807}}}
}`

func TestRestrictTakesOutOnlyWhatTheMachineLacks(t *testing.T) {
	process := func(text string) string {
		var whole map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &whole))
		return string(whole["process"])
	}
	less := strings.NewReplacer(`, "CAP_SYS_RESOURCE"]`, `]`, `["CAP_SYS_RESOURCE"]`, `[]`).Replace(full)
	for name, row := range map[string]struct {
		text, want string
		isProcess  bool
		own        []string
	}{
		"a bundle's":           {text: full, want: less, own: []string{"CAP_CHOWN"}},
		"a process's":          {text: process(full), want: process(less), isProcess: true, own: []string{"CAP_CHOWN"}},
		"nothing is missing":   {text: full, want: full, own: []string{"CAP_CHOWN", "CAP_SYS_RESOURCE"}},
		"asks for none at all": {text: `{"process": {"args": ["sh"]}}`, want: `{"process": {"args": ["sh"]}}`, own: nil},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.json")
			require.NoError(t, os.WriteFile(file, []byte(row.text), 0o600))
			require.NoError(t, restrict(file, row.isProcess, row.own))
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.JSONEq(t, row.want, string(got))
			if strings.Contains(row.want, "9223372036854775807") {
				assert.Contains(t, string(got), "9223372036854775807", "a number as large as this is not rounded")
			}
		})
	}
}

func TestRestrictRefusesWhatIsNoConfiguration(t *testing.T) {
	for text, says := range map[string]string{
		`[]`:                               "no OCI configuration",
		`{"process": []}`:                  "reading the process of",
		`{"process": {"capabilities": 1}}`: "reading the capabilities of",
	} {
		file := filepath.Join(t.TempDir(), "config.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		err := restrict(file, false, nil)
		require.ErrorIs(t, err, errShape, text)
		require.ErrorContains(t, err, says)
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, text, string(got), "what is not understood is not changed")
	}
	assert.ErrorIs(t, restrict(filepath.Join(t.TempDir(), "none"), false, nil), os.ErrNotExist)
}

func TestRequestFindsTheFileOfEachCommand(t *testing.T) {
	for args, want := range map[string]struct {
		file      string
		isProcess bool
	}{
		"--root /r --log /l create --bundle /b --pid-file /p id":   {file: "/b/config.json"},
		"--root=/r run --bundle=/b id":                             {file: "/b/config.json"},
		"create -b /b id":                                          {file: "/b/config.json"},
		"--root /r exec --process /tmp/p --detach --pid-file /q i": {file: "/tmp/p", isProcess: true},
		"exec -p /tmp/p id":                                        {file: "/tmp/p", isProcess: true},
		"--root /r delete --force id":                              {},
		"start id":                                                 {},
		"--version":                                                {},
		"create --bundle":                                          {},
	} {
		file, isProcess := request(strings.Fields(args))
		assert.Equal(t, want.file, file, args)
		assert.Equal(t, want.isProcess, isProcess, args)
	}
}

func TestTheProgramBecomesRunc(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "runtime")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "runc"), []byte("#!/bin/sh\necho runc \"$@\"\nexit 7\n"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(full), 0o600))
	cmd := exec.Command(program, "create", "--bundle", dir, "id")
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	out, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 7, exit.ExitCode(), "its exit code is runc's")
	assert.Equal(t, "runc create --bundle "+dir+" id\n", string(out))

	lost := exec.Command(program, "--version")
	lost.Env = []string{"PATH=" + filepath.Join(dir, "none")}
	out, err = lost.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "looking for the runtime behind this one")
}
