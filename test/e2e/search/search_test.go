package search_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/e2e/search"
)

const secret = "xoxb-canary-1f2e3d4c5b6a"

func set(t *testing.T) canary.Set {
	t.Helper()
	var set canary.Set
	require.NoError(t, set.Add("token", secret))
	return set
}

// helm packs a text as Helm keeps a release; the API server adds the outermost base64.
func helm(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := io.WriteString(writer, text)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	once := base64.StdEncoding.EncodeToString(packed.Bytes())
	return base64.StdEncoding.EncodeToString([]byte(once))
}

func TestObjectsAreDecoded(t *testing.T) {
	for name, data := range map[string]string{
		"as it is":     secret,
		"as data":      base64.StdEncoding.EncodeToString([]byte(secret)),
		"in a release": helm(t, `{"values": "`+secret+`"}`),
		"not there":    helm(t, `{"values": "none"}`),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := search.Objects(t.Context(), apiServer(t, data), set(t))
			require.NoError(t, err)
			assert.Equal(t, 1, result.Kinds, "what is told of and not served is no kind")
			assert.Equal(t, 2, result.Looked)
			if name == "not there" {
				assert.Empty(t, result.Places)
				return
			}
			require.NotEmpty(t, result.Places)
			assert.True(t, strings.HasPrefix(result.Places[0].String(), "token in Secret team/two ("), result.Places[0])
		})
	}
}

// apiServer serves two Secrets, the second with data.
func apiServer(t *testing.T, data string) *rest.Config {
	t.Helper()
	item := func(name, value string) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": "team", "name": name}, "data": map[string]any{"x": value},
		}
	}
	answers := map[string]any{
		"/api":  map[string]any{"kind": "APIVersions", "versions": []string{"v1"}},
		"/apis": map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{}},
		"/api/v1": map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": []any{
			map[string]any{"name": "secrets", "kind": "Secret", "namespaced": true, "verbs": []string{"list"}},
			map[string]any{"name": "gone", "kind": "Gone", "namespaced": true, "verbs": []string{"list"}},
			map[string]any{"name": "bindings", "kind": "Binding", "namespaced": true, "verbs": []string{"create"}},
		}},
		"/api/v1/secrets": map[string]any{"kind": "SecretList", "apiVersion": "v1", "items": []any{item("one", "eHg="), item("two", data)}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(answer))
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// node prints what a test made.
type node struct {
	prints []byte
	err    error
}

func (n node) Pipe(_ context.Context, out io.Writer, _ ...string) error {
	if _, err := out.Write(n.prints); err != nil {
		return err
	}
	return n.err
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var text bytes.Buffer
	writer := tar.NewWriter(&text)
	require.NoError(t, writer.WriteHeader(&tar.Header{Name: "var/", Typeflag: tar.TypeDir}))
	for name, content := range files {
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o600}))
		_, err := io.WriteString(writer, content)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return append(text.Bytes(), make([]byte, 10240)...)
}

func TestEveryFileIsSearched(t *testing.T) {
	files := map[string]string{"var/log/clean": "nothing", "var/lib/etcd/wal": "\x00\x00" + secret + "\x00", "empty": ""}
	result, err := search.Disk(t.Context(), node{prints: archive(t, files)}, set(t))
	require.NoError(t, err)
	assert.Equal(t, 3, result.Looked)
	require.NotEmpty(t, result.Places)
	assert.Equal(t, "/var/lib/etcd/wal", result.Places[0].Path)
	for _, place := range result.Places {
		assert.Equal(t, "/var/lib/etcd/wal", place.Path)
	}
}

func TestHalfADiskIsAnError(t *testing.T) {
	whole := archive(t, map[string]string{"a": strings.Repeat("x", 4096)})
	_, err := search.Disk(t.Context(), node{prints: whole[:2048]}, set(t))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	broken := errors.New("tar: no such folder")
	_, err = search.Disk(t.Context(), node{prints: whole, err: broken}, set(t))
	require.ErrorIs(t, err, broken)
	_, err = search.Disk(t.Context(), node{prints: append(whole[:512], bytes.Repeat([]byte("no header"), 1<<18)...)}, set(t))
	require.ErrorIs(t, err, tar.ErrHeader)
}

func TestTheJournalIsSearched(t *testing.T) {
	result, err := search.Journal(t.Context(), node{prints: []byte("MESSAGE=" + secret)}, set(t))
	require.NoError(t, err)
	require.NotEmpty(t, result.Places)
	assert.Equal(t, "the node's journal", result.Places[0].Path)
	_, err = search.Journal(t.Context(), node{err: errors.New("no journal")}, set(t))
	require.EqualError(t, err, "no journal")
}
