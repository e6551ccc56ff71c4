package provider_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
)

// BenchmarkMount is what a pod's first mount costs besides gRPC, with what the double of Vault costs.
func BenchmarkMount(b *testing.B) {
	v := filled(b)
	settings, err := config.Parse([]byte(configuration(v)), nil)
	require.NoError(b, err)
	server, err := provider.New(settings, provider.Options{Version: "1.2.3"})
	require.NoError(b, err)
	b.Cleanup(server.Close)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		pod := good(three)
		pod.attributes["csi.storage.k8s.io/pod.name"] = fmt.Sprint("worker-", n)
		kubernetes, _ := pod.claims["kubernetes.io"].(map[string]any)
		kubernetes["pod"] = map[string]any{"name": fmt.Sprint("worker-", n), "uid": pod.attributes["csi.storage.k8s.io/pod.uid"]}
		request := pod.wire()
		b.StartTimer()
		if _, err := server.Mount(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}

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
