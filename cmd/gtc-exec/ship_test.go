//go:build linux

package main_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// It is copied into every worker's pod and must run there whatever the worker's image holds.
func TestItIsStaticAndSmall(t *testing.T) {
	t.Parallel()
	program, err := elf.Open(binary)
	require.NoError(t, err)
	defer func() { require.NoError(t, program.Close()) }()
	for _, part := range program.Progs {
		assert.NotEqual(t, elf.PT_INTERP, part.Type, "it needs a dynamic linker")
	}
	info, err := os.Stat(binary)
	require.NoError(t, err)
	t.Logf("%d bytes", info.Size())
	assert.Less(t, info.Size(), int64(4<<20))
}

func TestItLinksNothingThatTalksToAnybody(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/greenticai/gtc-csi-provider/provider/record")
	for _, name := range packages {
		switch first, _, _ := strings.Cut(name, "/"); first {
		case "net", "google.golang.org", "k8s.io", "sigs.k8s.io":
			t.Errorf("it links %s", name)
		}
		assert.NotContains(t, name, "hashicorp")
	}
}
