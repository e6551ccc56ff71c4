package podwatch

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const somePod = `{"metadata":{"name":"n","namespace":"s","uid":"u","resourceVersion":"1"}}`

// FuzzParseChange: what is understood names a pod, or is a bookmark; what is not is an error that repeats nothing.
func FuzzParseChange(f *testing.F) {
	for _, kind := range []string{added, modified, deleted, bookmark, failed, "deleted", ""} {
		f.Add([]byte(`{"type":"` + kind + `","object":` + somePod + `}`))
	}
	f.Add([]byte(`{"type":"ERROR","object":{"kind":"Status","code":410}}`))
	f.Add([]byte(`{"type":"DELETED","object":{"metadata":{"uid":null}}}`))
	f.Add([]byte(`{"type":"BOOKMARK","type":"DELETED","object":` + somePod + `}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := parseChange(line)
		if err != nil {
			assert.Zero(t, c.pod)
			checkFault(t, err)
			return
		}
		assert.NotEmpty(t, c.version)
		if c.kind != bookmark {
			checkPod(t, c.pod)
		}
	})
}

// FuzzParsePage likewise.
func FuzzParsePage(f *testing.F) {
	f.Add([]byte(`{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"1","continue":"x"},"items":[` + somePod + "," + somePod + `]}`))
	f.Add([]byte(`{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"1"},"items":[]}`))
	f.Add([]byte(`{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"1"},"items":null}`))
	f.Add([]byte(`{"kind":"Status","code":410}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePage(text)
		if err != nil {
			assert.Empty(t, p.pods)
			checkFault(t, err)
			return
		}
		assert.NotEmpty(t, p.version)
		for _, pod := range p.pods {
			checkPod(t, pod)
		}
	})
}

func checkPod(t *testing.T, pod Pod) {
	t.Helper()
	for _, text := range []string{pod.Namespace, pod.Name, pod.UID} {
		assert.NotEmpty(t, text)
		assert.LessOrEqual(t, len(text), longestText)
	}
}

func checkFault(t *testing.T, err error) {
	t.Helper()
	known := errors.Is(err, errAnswer) || errors.Is(err, errGone) || strings.HasPrefix(err.Error(), "the API server answered ")
	assert.True(t, known, "%v", err)
	assert.Less(t, len(err.Error()), 200)
}
