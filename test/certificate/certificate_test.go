package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/certificate"
)

// A client that trusts the authority, and nothing else, believes the server at each of its hosts and at no other.
func TestItHoldsForItsHosts(t *testing.T) {
	pair, err := certificate.New("vault", "127.0.0.1", "vault.vault.svc")
	require.NoError(t, err)
	_, err = tls.X509KeyPair(pair.Cert, pair.Key)
	require.NoError(t, err)
	block, rest := pem.Decode(pair.Cert)
	require.NotNil(t, block)
	assert.Empty(t, rest)
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pair.CA))
	for host, believed := range map[string]bool{"127.0.0.1": true, "vault.vault.svc": true, "127.0.0.2": false, "vault": false} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
		assert.Equal(t, believed, err == nil, "%s: %v", host, err)
	}
	other, err := certificate.New("vault", "127.0.0.1")
	require.NoError(t, err)
	strangers := x509.NewCertPool()
	require.True(t, strangers.AppendCertsFromPEM(other.CA))
	_, err = leaf.Verify(x509.VerifyOptions{Roots: strangers})
	require.Error(t, err, "signed by another authority of the same name")
}
