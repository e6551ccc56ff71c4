package kubeapi_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// access is a folder as a kubelet makes it, for the server.
func access(t *testing.T, s *httptest.Server) string {
	t.Helper()
	folder := t.TempDir()
	write(t, folder, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	write(t, folder, "token", "first\n")
	return folder
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
}

func TestWhatIsAsked(t *testing.T) {
	var got *http.Request
	var body []byte
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	folder := access(t, s)
	c, err := kubeapi.New(s.URL, folder)
	require.NoError(t, err)
	defer c.Close()
	ask := func() {
		answer, err := c.Do(t.Context(), kubeapi.Request{
			Method: "POST", Path: []string{"api", "a/../b c"}, Query: url.Values{"q": {"x&y"}}, Accept: "application/json", ContentType: "text/plain", Body: []byte("hello"),
		})
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	ask()
	assert.Equal(t, "/api/a%2F..%2Fb%20c", got.URL.EscapedPath(), "a segment stays one")
	assert.Equal(t, "x&y", got.URL.Query().Get("q"))
	assert.Equal(t, "Bearer first", got.Header.Get("Authorization"))
	assert.Equal(t, "text/plain", got.Header.Get("Content-Type"))
	assert.Equal(t, "hello", string(body))
	write(t, folder, "token", "renewed")
	ask()
	assert.Equal(t, "Bearer renewed", got.Header.Get("Authorization"), "the kubelet has renewed it")
}

// TestTheAuthorityIsReadForEachConnection: a cluster's authority is replaced while the provider runs.
func TestTheAuthorityIsReadForEachConnection(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	folder := access(t, s)
	c, err := kubeapi.New(s.URL, folder)
	require.NoError(t, err)
	defer c.Close()
	ask := func() error {
		answer, err := c.Do(t.Context(), kubeapi.Request{Method: "GET", Path: []string{"version"}})
		if err == nil {
			err = answer.Body.Close()
		}
		c.Close() // so that the next one connects again
		return err
	}
	require.NoError(t, ask())
	good, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	require.NoError(t, err)
	write(t, folder, "ca.crt", strings.Repeat("x", 10))
	require.ErrorIs(t, ask(), kubeapi.ErrSilent)
	write(t, folder, "ca.crt", string(good))
	require.NoError(t, ask())
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("it was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	s := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer s.Close()
	c, err := kubeapi.New(s.URL, access(t, s))
	require.NoError(t, err)
	defer c.Close()
	answer, err := c.Do(t.Context(), kubeapi.Request{Method: "GET", Path: []string{"api"}})
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, http.StatusFound, answer.StatusCode)
}

func TestNobodyAnswers(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	c, err := kubeapi.New(s.URL, access(t, s))
	require.NoError(t, err)
	s.Close()
	_, err = c.Do(t.Context(), kubeapi.Request{Method: "GET"})
	require.ErrorIs(t, err, kubeapi.ErrSilent)
	assert.NotContains(t, err.Error(), "127.0.0.1")
	assert.NotContains(t, err.Error(), "first")
}

func TestAccess(t *testing.T) {
	c, err := kubeapi.InCluster(kubeapi.Folder)
	require.NoError(t, err)
	assert.Nil(t, c, "no container, no access")
	for name, row := range map[string]struct {
		address, ca, says string
	}{
		"no address":     {"", "x", "its address is no URL"},
		"no ca":          {"https://127.0.0.1:1", "", "no such file"},
		"no certificate": {"https://127.0.0.1:1", "hello", "ca.crt holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if row.ca != "" {
				write(t, folder, "ca.crt", row.ca)
			}
			_, err := kubeapi.New(row.address, folder)
			require.ErrorIs(t, err, kubeapi.ErrAccess)
			assert.ErrorContains(t, err, row.says)
		})
	}
}

func TestParseStatus(t *testing.T) {
	const terminating = `{"kind":"Status","code":403,"details":{"causes":[{"reason":"NamespaceTerminating"},{"message":"m"}]}}`
	for text, want := range map[string]kubeapi.Status{
		terminating: {Code: 403, Causes: []string{"NamespaceTerminating"}},
		`{"kind":"Status","code":410,"reason":"Expired"}`:                                    {Code: 410},
		`{"kind":"Status","code":"410"}`:                                                     {},
		`{"kind":"Pod","code":410}`:                                                          {},
		`{"kind":"Status","Code":410}`:                                                       {},
		`{"kind":"Status","code":403,"details":{"causes":"NamespaceTerminating"}}`:           {Code: 403},
		`{"kind":"Status","code":403,"details":[{"causes":[{"reason":"NamespaceTermin"}]}]}`: {Code: 403},
		"": {}, "null": {}, "[]": {}, "{": {},
	} {
		assert.Equal(t, want, kubeapi.ParseStatus([]byte(text)), text)
	}
	assert.True(t, kubeapi.ParseStatus([]byte(terminating)).Because("NamespaceTerminating"))
	assert.False(t, kubeapi.Status{}.Because("NamespaceTerminating"))
}
