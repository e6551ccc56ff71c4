package params_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
)

func TestRefreshInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{"1s": time.Second, "5m": 5 * time.Minute, "1h30m0s": 90 * time.Minute, "24h": 24 * time.Hour, "always": params.Always} {
		attributes := valid()
		attributes["refreshInterval"] = text
		p, err := params.Decode(attributes)
		require.NoError(t, err, text)
		assert.Equal(t, want, p.Refresh)
		encoded, err := params.Encode(p)
		require.NoError(t, err)
		again, err := params.Decode(encoded)
		require.NoError(t, err)
		assert.Equal(t, p, again)
	}
	p, err := params.Decode(valid())
	require.NoError(t, err)
	assert.Zero(t, p.Refresh, "the operator's, if the class says nothing")
	for _, text := range []string{"", "0", "0s", "-1", "-5m", "999ms", "24h1s", "5", "5 m", "five minutes", "Always", "never"} {
		attributes := valid()
		attributes["refreshInterval"] = text
		_, err := params.Decode(attributes)
		require.ErrorIs(t, err, params.ErrInvalid, "%q", text)
		assert.ErrorContains(t, err, "refreshInterval: ")
		assert.ErrorContains(t, err, `write a duration from 1s to 24h such as 5m, or "always"`)
	}
}
