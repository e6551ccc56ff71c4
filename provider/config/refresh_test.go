package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

func TestRefreshDefaults(t *testing.T) {
	c, err := config.Parse([]byte(least), nil)
	require.NoError(t, err)
	assert.Equal(t, config.Refresh{
		Interval: 5 * time.Minute, Minimum: time.Minute, MaxStale: time.Hour, PodSilence: 15 * time.Minute, OnDenied: config.Keep,
	}, c.Refresh)
}

func TestRefreshIsRead(t *testing.T) {
	c, err := config.Parse([]byte(least+`
refresh: {interval: always, minimum: 1s, allowAlways: true, maxStale: 0s, podSilence: 1h, onDenied: remove, noRepublish: true}
`), nil)
	require.NoError(t, err)
	assert.Equal(t, config.Refresh{
		Interval: params.Always, Minimum: time.Second, AllowAlways: true, PodSilence: time.Hour, OnDenied: config.Remove, NoRepublish: true,
	}, c.Refresh)
}

func TestRefreshFaults(t *testing.T) {
	for text, says := range map[string]string{
		"{interval: 5}":         "refresh.interval: ",
		"{interval: 48h}":       "refresh.interval: ",
		"{minimum: always}":     `refresh.minimum: invalid provider configuration: "always" is no duration from 1s to 24h0m0s`,
		"{minimum: 0s}":         "refresh.minimum: ",
		"{maxStale: -1s}":       "refresh.maxStale: ",
		"{maxStale: 9999h}":     "refresh.maxStale: ",
		"{podSilence: 10ms}":    "refresh.podSilence: ",
		"{onDenied: delete}":    `refresh.onDenied: invalid provider configuration: "delete" is neither "keep" nor "remove"`,
		"{allowAlways: always}": "file: ",
		"{onDeny: keep}":        "field onDeny not found",
	} {
		_, err := config.Parse([]byte(least+"refresh: "+text+"\n"), nil)
		require.ErrorIs(t, err, config.ErrInvalid, text)
		assert.ErrorContains(t, err, says, text)
	}
}

func TestWhatAClassMayAskFor(t *testing.T) {
	r := config.Refresh{Interval: 5 * time.Minute, Minimum: time.Minute}
	for asked, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Minute: time.Minute, time.Hour: time.Hour} {
		got, err := r.For(asked)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := r.For(time.Minute - 1)
	require.ErrorIs(t, err, config.ErrRefresh)
	assert.ErrorContains(t, err, "is less than 1m0s; name a longer one")
	_, err = r.For(params.Always)
	require.ErrorIs(t, err, config.ErrRefresh)
	assert.ErrorContains(t, err, "always; name a duration of at least 1m0s")
	r.AllowAlways = true
	got, err := r.For(params.Always)
	require.NoError(t, err)
	assert.Equal(t, params.Always, got)
	r.Interval = params.Always
	got, err = r.For(0)
	require.NoError(t, err)
	assert.Equal(t, params.Always, got, "the operator's own word needs nobody's consent")
}
