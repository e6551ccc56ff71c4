package stage

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// asks are the parameters of the volume of the index-th pod of a batch.
func asks(t *testing.T, class Class, index int, name string) params.Params {
	t.Helper()
	pod := &corev1.Pod{}
	pod.Name = name
	request, err := Pod{stage: &Stage{scope: secretref.MustParseScope("prod/acme/sales")}, index: index, pod: pod, token: "a"}.Request(class)
	require.NoError(t, err)
	var attributes map[string]string
	require.NoError(t, json.Unmarshal([]byte(request.GetAttributes()), &attributes))
	p, err := params.Decode(attributes)
	require.NoError(t, err)
	require.Len(t, p.Objects, SecretsPerPod)
	return p
}

func TestWhoAsksForTheSame(t *testing.T) {
	for name, row := range map[string]struct {
		class     Class
		sameIndex bool // two pods of one index, in two batches, ask for the same
		sameBatch bool // two pods of one batch do
	}{
		"as usual": {Class{Kind: Plain}, true, false},
		"records":  {Class{Kind: Records, Refresh: time.Minute}, true, false},
		"replicas": {Class{Kind: Plain, Same: true}, true, true},
		"own":      {Class{Kind: Plain, Own: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			one := asks(t, row.class, 7, "pod-1")
			assert.Equal(t, row.sameIndex, assert.ObjectsAreEqual(one, asks(t, row.class, 7, "pod-2")))
			assert.Equal(t, row.sameBatch, assert.ObjectsAreEqual(one, asks(t, row.class, 8, "pod-1")))
			assert.Equal(t, row.class.Refresh, one.Refresh)
		})
	}
}

func TestCheck(t *testing.T) {
	answer := func(kind Kind, index int) *v1alpha1.MountResponse {
		response := &v1alpha1.MountResponse{}
		for n := range SecretsPerPod {
			response.Files = append(response.Files, &v1alpha1.File{Contents: []byte(value(kind, index, n))})
		}
		return response
	}
	p := Pod{index: 7, pod: &corev1.Pod{}}
	require.NoError(t, p.Check(Class{Kind: Plain}, answer(Plain, 7)))
	require.NoError(t, p.Check(Class{Kind: Plain, Same: true}, answer(Plain, 0)))
	for _, wrong := range []*v1alpha1.MountResponse{nil, answer(Plain, 8), answer(Records, 7), {Files: answer(Plain, 7).GetFiles()[:2]}} {
		require.ErrorIs(t, p.Check(Class{Kind: Plain}, wrong), ErrWrong)
	}
}
