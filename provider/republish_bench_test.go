package provider_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
)

// BenchmarkRepublish is what an unchanged republish costs besides gRPC: most of what a provider ever does.
func BenchmarkRepublish(b *testing.B) {
	v := filled(b)
	settings, err := config.Parse([]byte(configuration(v)), nil)
	require.NoError(b, err)
	server, err := provider.New(settings, provider.Options{Version: "1.2.3"})
	require.NoError(b, err)
	b.Cleanup(server.Close)
	request := good(three).wire()
	_, err = server.Mount(b.Context(), request)
	require.NoError(b, err)
	asked := len(v.asked())
	for b.Loop() {
		if _, err := server.Mount(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
	require.Len(b, v.asked(), asked)
}
