package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const examples = "../../examples"

// runRender is the command line with its standard output and error.
func runRender(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = Run(t.Context(), append([]string{"render"}, args...), strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), err
}

// TestRenderMakesTheExamples types the command of examples/README.md.
func TestRenderMakesTheExamples(t *testing.T) {
	for _, name := range []string{"vault", "dev-store"} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, err := runRender(t, "--environment", filepath.Join(examples, name, "environment.json"),
				"--requirements", "crm-assistant/messaging-slack="+filepath.Join(examples, "messaging-slack.secret-requirements.json"))
			require.NoError(t, err)
			assert.Empty(t, stderr)
			want, err := os.ReadFile(filepath.Join(examples, name, "manifests.yaml"))
			require.NoError(t, err)
			assert.Equal(t, string(want), stdout, "run make generate if that is right")
		})
	}
}

type brokenPipe struct{}

var errBroken = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

func TestRenderSaysThatItsOutputFailed(t *testing.T) {
	err := Run(t.Context(), []string{"render", "--environment", filepath.Join(examples, "dev-store/environment.json")},
		strings.NewReader(""), brokenPipe{}, brokenPipe{})
	require.ErrorIs(t, err, errBroken)
	assert.Equal(t, exitFailed, exitCode(err))
}

func TestTheImageWithGtcExecIsTheReleases(t *testing.T) {
	for number, want := range map[string]string{
		"1.2.3":       "ghcr.io/greenticai/gtc-csi-provider:1.2.3",
		"0.0.0-devel": "ghcr.io/greenticai/gtc-csi-provider:dev",
		"0.0.0-20260101000000-0123456789ab+dirty": "ghcr.io/greenticai/gtc-csi-provider:dev",
		"1.2.3+dirty": "ghcr.io/greenticai/gtc-csi-provider:dev",
	} {
		assert.Equal(t, want, releaseImage(number), number)
	}
}
