package config

import (
	"crypto/x509"
	"errors"
	"net/url"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrInvalid is every fault of a configuration.
var ErrInvalid = errors.New("invalid provider configuration")

// What a configuration is marked with.
const (
	APIVersion = "greentic.ai/v1alpha1"
	Kind       = "ProviderConfig"
)

// MaxFile is the longest configuration, and the longest caCertFile, in bytes.
const MaxFile = 1 << 20

// Config is the provider's configuration, checked and with its defaults filled in. Nothing in it changes.
type Config struct {
	Naming badge.Naming
	Vaults []Vault // at least one; the first is the default
	// Refresh is what the driver's repeated calls cost and bring.
	Refresh Refresh

	digest digest // of what it was read from
}

// Method is a Vault auth method that takes a pod's token.
type Method string

// The methods.
const (
	Kubernetes Method = "kubernetes"
	JWT        Method = "jwt"
)

// Vault is a connection: a Vault, where things are in it, and whom it serves.
type Vault struct {
	Name                     string
	Addresses                []*url.URL // in the order in which they are tried
	Namespace                string     // "" is the root namespace
	AuthMethod               Method
	AuthMount                string
	Audience                 string
	RootCAs                  *x509.CertPool // nil is the system's, or Mozilla's where the system has none
	KVMount, KVPrefix        string
	TransitMount, TransitKey string
	Scopes                   []badge.Pattern
	RawPaths                 []badge.PathRule // what is granted on it besides references, in the configuration's order
}

// Serves reports whether the connection is for s.
func (v Vault) Serves(s secretref.Scope) bool {
	for _, pattern := range v.Scopes {
		if pattern.Matches(s) {
			return true
		}
	}
	return false
}

// InClear lists the addresses that are reached without TLS over a network.
func (v Vault) InClear() []*url.URL {
	var clear []*url.URL
	for _, address := range v.Addresses {
		if address.Scheme == "http" && !loopback(address.Hostname()) {
			clear = append(clear, address)
		}
	}
	return clear
}
