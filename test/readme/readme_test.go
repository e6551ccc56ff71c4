package readme_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
)

var update = flag.Bool("update", false, "write the generated tables into README.md")

const file = "../../README.md"

// generated is every generated table of README.md by the name in its markers, "<!-- NAME:begin -->" and "<!-- NAME:end -->".
var generated = map[string]func() string{
	"parameters": parameters,
	"metrics":    metrics,
}

func parameters() string {
	var table strings.Builder
	table.WriteString("| parameter | type | default | meaning |\n|---|---|---|---|\n")
	for _, row := range params.Table() {
		missing := row.Default
		if missing == "" {
			missing = "required"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", row.Name, row.Type, missing, row.Meaning)
	}
	return table.String()
}

func TestGeneratedTables(t *testing.T) {
	text := read(t)
	for name, table := range generated {
		begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
		before, rest, found := strings.Cut(text, begin)
		require.True(t, found, "README.md has no marker %s", begin)
		present, after, found := strings.Cut(rest, end)
		require.True(t, found, "README.md has no marker %s", end)
		if *update {
			text = before + begin + table() + end + after
			continue
		}
		assert.Equal(t, table(), present, "the table %s is not current: run make generate", name)
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
}

// The table of failures is written by hand, for people; what it quotes is what the provider says.
func TestFailuresQuoteTheProvider(t *testing.T) {
	_, rest, found := strings.Cut(read(t), "<!-- failures:begin -->\n")
	require.True(t, found)
	table, _, found := strings.Cut(rest, "<!-- failures:end -->")
	require.True(t, found)
	source := providerSource(t)
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	for _, row := range rows {
		says := strings.Split(row, "|")[1]
		for _, quote := range quoted.FindAllStringSubmatch(says, -1) {
			assert.Contains(t, source, quote[1], "README.md quotes what the provider never says")
		}
	}
	assert.Greater(t, len(rows), 10)
}

// providerSource is the text of the provider's Go files, without tests.
func providerSource(t *testing.T) string {
	t.Helper()
	var source strings.Builder
	err := filepath.WalkDir("../../provider", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	})
	require.NoError(t, err)
	return source.String()
}

func TestCommandsExist(t *testing.T) {
	targets := regexp.MustCompile("(?m)(?:^|`|[A-Z]=1 )make ([a-z0-9-]+)").FindAllStringSubmatch(read(t), -1)
	require.NotEmpty(t, targets)
	for _, target := range targets {
		command := exec.CommandContext(t.Context(), "make", "--dry-run", target[1])
		command.Dir = filepath.Dir(file)
		output, err := command.CombinedOutput()
		assert.NoError(t, err, "make %s: %s", target[1], output)
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(read(t), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		if strings.HasPrefix(link[1], "https://") {
			continue
		}
		_, err := os.Stat(filepath.Join(filepath.Dir(file), link[1]))
		assert.NoError(t, err, "README.md links to %s", link[1])
	}
}

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}
