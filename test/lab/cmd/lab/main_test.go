package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuildSaysWhatItHasBuilt(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"build"}, &out))
	assert.Regexp(t, `^built: etcd v\d\S*, kube-apiserver v\d\S*, vault v\d\S*, secrets-store-csi-driver v\d\S*\n$`, out.String())
}

// cancelling ends a context as soon as something was written: the Ctrl-C of a person who has read it.
type cancelling struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (c *cancelling) Write(text []byte) (int, error) {
	defer c.cancel()
	return c.Buffer.Write(text)
}

func TestUpStaysUntilItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelling{cancel: cancel}
	require.NoError(t, run(ctx, []string{"up"}, out))
	assert.Contains(t, out.String(), "ready after ")
	kubeconfig := regexp.MustCompile(`KUBECONFIG=(\S+)`).FindStringSubmatch(out.String())
	require.Len(t, kubeconfig, 2)
	assert.True(t, strings.HasSuffix(kubeconfig[1], "/kubeconfig"))
	_, err := os.Stat(kubeconfig[1])
	assert.ErrorIs(t, err, os.ErrNotExist, "the lab is gone, and its folder")
}

func TestAnythingElseIsAMistake(t *testing.T) {
	for _, args := range [][]string{nil, {"down"}, {"build", "now"}} {
		require.ErrorIs(t, run(t.Context(), args, &bytes.Buffer{}), errUsage)
	}
}
