package image_test

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bounds of what is shipped, in bytes.
const (
	maxProvider = 20_000_000
	maxImage    = 30_000_000
)

var (
	architectures = []string{"amd64", "arm64"}
	programs      = []string{"gtc-csi-provider", "gtc-deployer", "gtc-exec"}
	// documents are the folder of each program's papers.
	documents = map[string]string{"gtc-csi-provider": "provider", "gtc-exec": "provider", "gtc-deployer": "deployer"}
)

// TestContent makes what goes into the images of one release in two places.
func TestContent(t *testing.T) {
	here, there := release(t), filepath.Join(t.TempDir(), "clone")
	run(t, ".", "git", "clone", "--quiet", here, there)
	makeContent(t, here, architectures...)
	makeContent(t, there, runtime.GOARCH)

	for _, architecture := range architectures {
		folder := filepath.Join(here, "build", "image", architecture)
		for _, program := range programs {
			t.Run(architecture+"/"+program, func(t *testing.T) {
				path := filepath.Join(folder, program)
				staticAndStripped(t, path, architecture)
				assert.NotContains(t, read(t, path), here, "the folder that it was compiled in is no one's business")
				papers(t, path, filepath.Join(folder, documents[program]))
				if program != "gtc-exec" { // which has no way to the network
					assert.Contains(t, read(t, path), "golang.org/x/crypto/x509roots/fallback\t", "scratch has no root certificates")
				}
			})
		}
		t.Run(architecture+"/sizes", func(t *testing.T) {
			assert.LessOrEqual(t, size(t, filepath.Join(folder, "gtc-csi-provider")), int64(maxProvider))
			assert.LessOrEqual(t, size(t, filepath.Join(folder, "gtc-csi-provider"))+size(t, filepath.Join(folder, "gtc-exec"))+
				size(t, filepath.Join(folder, "provider")), int64(maxImage))
		})
	}
	t.Run("the same bytes in both places", func(t *testing.T) {
		own := filepath.Join("build", "image", runtime.GOARCH)
		require.NoError(t, filepath.WalkDir(filepath.Join(here, own), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, err := filepath.Rel(here, path)
			assert.True(t, read(t, path) == read(t, filepath.Join(there, name)), "%s differs", name)
			return err
		}))
	})
	t.Run("the release's version", func(t *testing.T) {
		for _, program := range programs {
			out, err := exec.CommandContext(t.Context(), filepath.Join(here, "build", "image", runtime.GOARCH, program), "--version").Output()
			require.NoError(t, err)
			assert.Equal(t, program+" 1.2.3 ("+runtime.Version()+", linux/"+runtime.GOARCH+")\n", string(out))
		}
	})
}

// release is a copy of the checkout as it is, uncommitted changes and all, whose commit is the release v1.2.3.
func release(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	clone := t.TempDir()
	for name := range strings.SplitSeq(run(t, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if name == "" || os.IsNotExist(err) { // removed, and not committed yet
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(clone, name), content, 0o644))
	}
	run(t, clone, "git", "init", "--quiet")
	run(t, clone, "git", "add", "--all")
	run(t, clone, "git", "commit", "--quiet", "--no-gpg-sign", "--message", "release")
	run(t, clone, "git", "tag", "v1.2.3")
	return clone
}

func makeContent(t *testing.T, clone string, architectures ...string) {
	t.Helper()
	run(t, clone, "make", "--no-print-directory", "image-content", "IMAGE_ARCHS="+strings.Join(architectures, " "))
}

// run runs a command that has to succeed, apart from who the caller is and from the make that may have started this test.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var words strings.Builder
	command.Stderr = &words
	out, err := command.Output()
	require.NoError(t, err, "%s %s: %s%s", name, strings.Join(args, " "), out, words.String())
	return string(out)
}

// staticAndStripped asserts that a program runs on scratch: it asks for no loader and no library, and carries nothing for a debugger.
func staticAndStripped(t *testing.T, path, architecture string) {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	assert.Equal(t, map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[architecture], file.Machine)
	for _, segment := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it asks for a loader")
		assert.NotEqual(t, elf.PT_DYNAMIC, segment.Type, "it asks for libraries")
	}
	for _, section := range file.Sections {
		assert.NotEqual(t, elf.SHT_SYMTAB, section.Type, "it has a symbol table")
		assert.False(t, strings.HasPrefix(section.Name, ".debug") || strings.HasPrefix(section.Name, ".zdebug"), "it has %s", section.Name)
	}
}

// papers asserts that the folder names every module in the program, with its version: once in NOTICES, once in the program's SBOM.
func papers(t *testing.T, program, folder string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	notices := read(t, filepath.Join(folder, "NOTICES"))
	var sbom struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(folder, filepath.Base(program)+".cdx.json"))), &sbom))
	assert.Equal(t, "CycloneDX", sbom.BOMFormat)
	assert.Equal(t, "v1.2.3", sbom.Metadata.Component.Version)
	listed := map[string]string{}
	for _, component := range sbom.Components {
		listed[component.Name] = component.Version
	}
	assert.Equal(t, info.GoVersion, listed["std"])
	assert.Contains(t, notices, "\nGo "+info.GoVersion+", LICENSE\n")
	for _, module := range info.Deps {
		assert.Equal(t, module.Version, listed[module.Path], "%s in the SBOM", module.Path)
		assert.Regexp(t, `\n`+module.Path+` `+strings.ReplaceAll(module.Version, "+", `\+`)+`, (LICEN[SC]E|COPYING)`, notices)
	}
	assert.Equal(t, read(t, "../../LICENSE"), read(t, filepath.Join(folder, "LICENSE")))
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// size is that of a file, or of all files below a folder.
func size(t *testing.T, path string) int64 {
	t.Helper()
	var sum int64
	require.NoError(t, filepath.WalkDir(path, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		sum += info.Size()
		return err
	}))
	return sum
}
