package readme_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/helm"
)

// The chart takes what README.md tells people to set. A Helm that the Go tool built does not know what Kubernetes it would be for.
func TestTheChartIsInstalledAsReadmeSays(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^helm upgrade --install (gtc chart .*?[^\\])$`).FindStringSubmatch(strings.ReplaceAll(read(t), "\\\n", " "))
	require.NotEmpty(t, commands)
	var args []string
	for i, part := range strings.Split(commands[1], "'") {
		if quoted := i%2 == 1; quoted {
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	require.Equal(t, []string{"gtc", "chart"}, args[:2])
	rendered, err := helm.Run(t.Context(), append([]string{"template", "gtc", "../../chart", "--kube-version", "1.30.0"}, args[2:]...)...)
	require.NoError(t, err)
	assert.Contains(t, rendered, "kind: DaemonSet")
	assert.Contains(t, rendered, "https://vault.vault.svc:8200")
}

// The public workflow calls what a person types, and nothing in it can change under its name.
func TestTheWorkflow(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/ci.yml")
	require.NoError(t, err)
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	targets := regexp.MustCompile(`(?m)^\s+(?:- run: )?make ([a-z0-9-]+)`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, targets)
	for _, target := range targets {
		assert.Regexp(t, "(?m)^"+target[1]+":", string(makefile), "make %s", target[1])
	}
	actions := regexp.MustCompile(`uses: (\S+)`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, actions)
	for _, action := range actions {
		assert.Regexp(t, `^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`, action[1])
	}
}
