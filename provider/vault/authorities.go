package vault

import (
	"crypto/x509"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// authorities are whom the connection trusts: what the operator named, or the system's, or Mozilla's where the system has none, as in an
// image. The last two take a megabyte of memory, so they are read for nobody who does not need them.
func (o Options) authorities() *x509.CertPool {
	isTLS := func(base *url.URL) bool { return base.Scheme == "https" }
	if o.RootCAs != nil || !slices.ContainsFunc(o.Addresses, isTLS) {
		return o.RootCAs
	}
	system, err := x509.SystemCertPool()
	if err != nil || system.Equal(x509.NewCertPool()) {
		return mozilla()
	}
	return system
}

// mozilla are the certificates that Mozilla trusts, each for what Mozilla trusts it for.
var mozilla = sync.OnceValue(func() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil: // the bundle's own tests rule it out
		case root.Constraint != nil:
			pool.AddCertWithConstraint(certificate, root.Constraint)
		default:
			pool.AddCert(certificate)
		}
	}
	return pool
})
