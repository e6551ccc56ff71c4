// Package kubeapi is a container's own way to the Kubernetes API server: plain REST with its ServiceAccount's token, and no clientset.
//
// Token and authority are files that a kubelet renews: the token is read for each request, the authority for each connection. What the
// API server writes is never repeated in an error: it may hold what pods' authors wrote.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Folder is where a kubelet puts a container's own access to the API server.
const Folder = "/var/run/secrets/kubernetes.io/serviceaccount"

const (
	dialTime   = 5 * time.Second
	headerTime = 20 * time.Second // until an answer begins
	userAgent  = "gtc-csi-provider"
)

// ErrAccess is a way to the API server that is there and of no use.
var ErrAccess = errors.New("the container's access to the API server is of no use")

// ErrSilent is an API server that does not answer.
var ErrSilent = errors.New("the API server does not answer")

// Client asks the API server. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	access string // a folder
	http   *http.Client
}

// Request is what is asked. Method, Path and Accept are needed.
type Request struct {
	Method      string
	Path        []string // segments, which are escaped
	Query       url.Values
	Accept      string
	ContentType string // of Body
	Body        []byte
}

// InCluster is a Client to the API server of the container's own cluster, with the access that is in folder; nil if the container has none.
func InCluster(folder string) (*Client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if _, err := os.Stat(filepath.Join(folder, "token")); err != nil || host == "" || port == "" {
		return nil, nil //nolint:nilerr,nilnil // no access is no fault
	}
	return New("https://"+net.JoinHostPort(host, port), folder)
}

// New is a Client to the API server at address; access is a folder with ca.crt and token, as a kubelet makes it.
func New(address, access string) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: its address is no URL", ErrAccess)
	}
	c := &Client{base: base, access: access}
	if _, err := c.authorities(); err != nil {
		return nil, err
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, DialTLSContext: c.dial, ResponseHeaderTimeout: headerTime,
			IdleConnTimeout: time.Minute, MaxIdleConns: 2, ForceAttemptHTTP2: true,
			// A watch may hear nothing for long: find out soon that its connection is dead.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: dialTime},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do asks. The caller closes the answer's body, and bounds what it reads of it.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	token, err := os.ReadFile(filepath.Join(c.access, "token"))
	if err != nil {
		return nil, fmt.Errorf("reading the provider's own token: %w", err)
	}
	segments := make([]string, len(r.Path))
	for i, segment := range r.Path {
		segments[i] = url.PathEscape(segment)
	}
	address := c.base.JoinPath(segments...)
	address.RawQuery = r.Query.Encode()
	request, err := http.NewRequestWithContext(ctx, r.Method, address.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: its address is no URL", ErrAccess)
	}
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	request.Header.Set("Accept", r.Accept)
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, ErrSilent // the library's text holds the address
	}
	return answer, nil
}

// dial trusts whom the file names now.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	roots, err := c.authorities()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}}
	return dialer.DialContext(ctx, network, address)
}

func (c *Client) authorities() (*x509.CertPool, error) {
	text, err := os.ReadFile(filepath.Join(c.access, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAccess, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: ca.crt holds no certificate", ErrAccess)
	}
	return roots, nil
}
