package helm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/test/helm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestItIsThePinnedOne(t *testing.T) {
	out, err := helm.Run(t.Context(), "version", "--short")
	require.NoError(t, err)
	assert.Regexp(t, `^v3\.22`, out)
}

func TestARefusalHasHelmsWords(t *testing.T) {
	_, err := helm.Run(t.Context(), "template", t.TempDir())
	require.ErrorIs(t, err, helm.ErrRefused)
	assert.ErrorContains(t, err, "helm template: exit status 1\nError: Chart.yaml file is missing")
}

func TestTheUsersOwnTakesNoPart(t *testing.T) {
	t.Setenv("HELM_NAMESPACE", "of-the-user")
	t.Setenv("KUBECONFIG", "/of/the/user")
	t.Setenv("HELM_CACHE_HOME", "/of/the/user")
	out, err := helm.Run(t.Context(), "env")
	require.NoError(t, err)
	assert.NotContains(t, out, "of-the-user")
	assert.NotContains(t, out, "/of/the/user")
	_, err = helm.Run(t.Context(), "list")
	require.ErrorIs(t, err, helm.ErrRefused, "no cluster is reached without a kubeconfig that is named")
}

func TestItEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := helm.Run(ctx, "version")
	require.ErrorIs(t, err, context.Canceled)
}
