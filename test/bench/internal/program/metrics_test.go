package program

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	page := "# HELP a A.\n# TYPE a gauge\na 110\nb{x=\"y z\"} 2\nc 1.5e+07\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/metrics", r.URL.Path)
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	p := &Process{log: filepath.Join(t.TempDir(), "log")}
	log := fmt.Sprintf("not JSON\n{\"msg\":\"starting\"}\n{\"msg\":\"serving http\",\"address\":%q}\n", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, os.WriteFile(p.log, []byte(log), 0o600))
	metrics, err := p.Metrics(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"a": 110, "c": 1.5e7}, metrics)

	page = "404 page not found\n"
	_, err = p.Metrics(t.Context())
	require.ErrorIs(t, err, errNoMetrics)
	server.Close()
	_, err = p.Metrics(t.Context())
	require.ErrorContains(t, err, "reading its metrics: ")
	require.NoError(t, os.WriteFile(p.log, []byte("{}\n"), 0o600))
	_, err = p.Metrics(t.Context())
	require.EqualError(t, err, "reading its metrics: its log does not say that it serves HTTP")
}
