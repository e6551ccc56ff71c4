package vault

import (
	"crypto/x509"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func addresses(t *testing.T, texts ...string) []*url.URL {
	t.Helper()
	urls := make([]*url.URL, len(texts))
	for i, text := range texts {
		var err error
		urls[i], err = url.Parse(text)
		require.NoError(t, err)
	}
	return urls
}

func TestAuthorities(t *testing.T) {
	named := x509.NewCertPool()
	assert.Same(t, named, Options{RootCAs: named, Addresses: addresses(t, "https://vault")}.authorities())
	assert.Nil(t, Options{Addresses: addresses(t, "http://127.0.0.1:8200")}.authorities(), "nobody is asked for a certificate")
	got := Options{Addresses: addresses(t, "http://127.0.0.1:8200", "https://vault")}.authorities()
	require.NotNil(t, got)
	assert.False(t, got.Equal(x509.NewCertPool()))
}

// A process reads the system's certificates once, so that a system without any needs a process of its own.
func TestMozillasAuthoritiesWhereTheSystemHasNone(t *testing.T) {
	const inside = "GTC_TEST_NO_SYSTEM_ROOTS"
	if os.Getenv(inside) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), inside+"=1", "SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR="+t.TempDir())
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "--- PASS: "+t.Name())
		return
	}
	system, err := x509.SystemCertPool()
	require.True(t, err != nil || system.Equal(x509.NewCertPool()), "the system must have none")
	got := Options{Addresses: addresses(t, "https://vault")}.authorities()
	trusted := 0
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		require.NoError(t, err)
		if root.Constraint == nil {
			_, err := certificate.Verify(x509.VerifyOptions{Roots: got, CurrentTime: certificate.NotBefore.AddDate(0, 0, 1)})
			require.NoError(t, err, "%s", certificate.Subject)
			trusted++
		}
	}
	assert.Greater(t, trusted, 50)
}
