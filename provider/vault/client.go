package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

// The limits of a connection.
const (
	// MaxAnswer is the longest answer, in bytes and after decompression, that is read.
	MaxAnswer = 4 << 20
	// MaxInFlight is how many requests of a connection are on their way at once, over all pods of the node.
	MaxInFlight = 32

	dialTimeout      = 5 * time.Second
	idleTimeout      = 90 * time.Second
	maxAnswerHeaders = 64 << 10
)

// Options are a connection as the operator configured it. Every mount and key has to be named; nothing has a default here but Retry.
type Options struct {
	// Addresses are the Vault's base URLs, http or https, in the order in which they are tried. One at least. http shows every secret
	// to whoever can listen on the way: it is for loopback and for clusters whose network encrypts.
	Addresses []*url.URL
	// Namespace is the Vault Enterprise or OpenBao namespace; empty is the root namespace.
	Namespace string
	// AuthMount is where the kubernetes or jwt method is mounted, without "auth/".
	AuthMount string
	// KVMount is where KV v2 is mounted, and KVPrefix the folder in it below which Greentic's secrets are.
	KVMount, KVPrefix string
	// TransitMount is where transit is mounted, and TransitKey the key that wraps the records' data keys.
	TransitMount, TransitKey string
	// RootCAs are trusted for https; nil is the system's, or Mozilla's where the system has none.
	RootCAs *x509.CertPool
	// Retry says how long and how often; zero fields have defaults.
	Retry Retry
	// Observe, if not nil, is told of every answer and every failed try. It is called at once from several goroutines.
	Observe func(Event)
}

// Client is a connection to Vault. It is safe for concurrent use; nothing in it changes but which address answered last.
type Client struct {
	options   Options
	addresses []address
	transport *http.Transport
	slots     chan struct{}
	preferred atomic.Int64
}

// address is one of a connection's Vaults. Its api.Client writes the requests to it, and sends none.
type address struct {
	base   *url.URL
	client *api.Client
}

// New checks o and makes a Client; it does not connect. All faults are reported at once.
func New(o Options) (*Client, error) {
	o.Retry = o.Retry.withDefaults()
	faults := faultsOf(o)
	c := &Client{options: o, slots: make(chan struct{}, MaxInFlight), transport: newTransport(o.authorities())}
	for i, base := range o.Addresses {
		a, err := newAddress(base, o.Namespace)
		if err != nil {
			faults = append(faults, fmt.Errorf("addresses[%d]: %w", i, err))
		}
		c.addresses = append(c.addresses, a)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// Close closes the connections that nobody uses. Requests on their way end as they would have.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

func faultsOf(o Options) []error {
	var faults []error
	for _, field := range []struct{ name, value string }{
		{"authMount", o.AuthMount}, {"kvMount", o.KVMount}, {"kvPrefix", o.KVPrefix},
		{"transitMount", o.TransitMount}, {"transitKey", o.TransitKey},
	} {
		if !cleanPath(field.value) {
			faults = append(faults, fmt.Errorf("%s: %w: %q is not a path of plain segments", field.name, ErrOptions, field.value))
		}
	}
	if len(o.Addresses) == 0 {
		faults = append(faults, fmt.Errorf("addresses: %w: there is none", ErrOptions))
	}
	return faults
}

func newAddress(base *url.URL, namespace string) (address, error) {
	client, err := api.NewClient(&api.Config{Address: base.String()})
	if err != nil {
		return address{}, fmt.Errorf("%w: the Vault library refuses it; is a VAULT_* variable set in the environment? remove it", ErrOptions)
	}
	// What the library took from VAULT_TOKEN, VAULT_NAMESPACE and VAULT_HEADERS goes, and what it would take from VAULT_WRAP_TTL.
	client.ClearToken()
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	headers := http.Header{api.RequestHeaderName: {"true"}}
	if namespace != "" {
		headers.Set(api.NamespaceHeaderName, namespace)
	}
	client.SetHeaders(headers)
	return address{base: base, client: client}, nil
}

func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // the environment's proxies are not the operator's word
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           0, // bounded by MaxIdleConnsPerHost and the few hosts
		MaxIdleConnsPerHost:    MaxInFlight,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeaders,
		ForceAttemptHTTP2:      true,
		// A dead HTTP/2 connection carries every pod's requests: find out soon.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: dialTimeout},
	}
}
