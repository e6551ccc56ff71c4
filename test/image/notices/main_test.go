package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is a module whose program links two others, one of which has a package with a licence of its own.
func program(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.26\n\nrequire (\n\texample.com/one v1.0.0\n\texample.com/two v1.0.0\n)\n\n" +
			"replace (\n\texample.com/one => ./one\n\texample.com/two => ./two\n)\n",
		"main.go":                       "package main\n\nimport (\n\t_ \"example.com/one\"\n\t_ \"example.com/two/forked/deep\"\n)\n\nfunc main() {}\n",
		"LICENSE":                       "the program's\n",
		"license.go":                    "package main\n",
		"one/go.mod":                    "module example.com/one\n\ngo 1.26\n",
		"one/one.go":                    "package one\n",
		"one/COPYING.txt":               "of one\n",
		"one/NOTICE":                    "note one\n",
		"one/unlinked/LICENSE":          "nobody's\n",
		"two/go.mod":                    "module example.com/two\n\ngo 1.26\n",
		"two/licence.md":                "of two\n",
		"two/forked/LICENSE.BSD":        "of the fork\n",
		"two/forked/deep/deep.go":       "package deep\n",
		"two/forked/deep/deep_test.go":  "package deep\n",
		"two/forked/other/LICENSE":      "nobody's\n",
		"two/forked/deep/licence/a.txt": "a folder is no licence\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func TestRun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Run(t.Context(), program(t), []string{"."}, &out))
	_, ours, found := strings.Cut(out.String(), "\nexample.com/one")
	require.True(t, found)
	const rule = "================================================================================"
	section := func(title, text string) string { return rule + "\n" + title + "\n" + rule + "\n\n" + text + "\n\n" }
	assert.Equal(t, section("example.com/one v1.0.0, COPYING.txt", "of one")+
		section("example.com/one v1.0.0, NOTICE", "note one")+
		section("example.com/program, LICENSE", "the program's")+
		section("example.com/two v1.0.0, forked/LICENSE.BSD", "of the fork")+
		section("example.com/two v1.0.0, licence.md", "of two"), rule+"\nexample.com/one"+ours)
	assert.Regexp(t, `^`+rule+`\nGo go1\.\S+, LICENSE\n`+rule+`\n\nCopyright [^=]+The Go Authors`, out.String())
}

func TestFaults(t *testing.T) {
	for name, row := range map[string]struct {
		remove   []string
		packages []string
		says     []string
	}{
		"no packages":     {packages: []string{}, says: []string{"name the packages"}},
		"no such package": {packages: []string{"./nowhere"}, says: []string{"go list", "nowhere"}},
		"no licence": {
			remove: []string{"one/COPYING.txt", "one/NOTICE", "two/licence.md", "two/forked/LICENSE.BSD"}, packages: []string{"."},
			says: []string{"example.com/one v1.0.0 has no licence", "example.com/two v1.0.0 has no licence"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := program(t)
			for _, file := range row.remove {
				require.NoError(t, os.Remove(filepath.Join(dir, file)))
			}
			err := Run(t.Context(), dir, row.packages, io.Discard)
			for _, text := range row.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}
