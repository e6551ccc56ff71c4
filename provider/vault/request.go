package vault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// HeaderPod carries <namespace>/<name>/<uid> of the pod that a request is made for; Vault's audit log shows it once it is told to.
const HeaderPod = "X-Greentic-Pod"

// Kind is what a request is for.
type Kind string

// The kinds of request.
const (
	KindLogin   Kind = "login"
	KindRead    Kind = "read"
	KindDecrypt Kind = "decrypt"
	KindRevoke  Kind = "revoke"
	KindIssue   Kind = "issue" // a raw path: a value, a lease or a certificate
	KindRenew   Kind = "renew" // of a lease or a token
)

// Event is one try of a request.
type Event struct {
	Kind     Kind
	Pod      Pod
	Status   int           // Vault's HTTP status, or 0 if there was no answer
	Duration time.Duration // waiting for a free slot not counted
}

// Pod is whom a request is made for.
type Pod struct{ Namespace, Name, UID string }

func (p Pod) header() string { return p.Namespace + "/" + p.Name + "/" + p.UID }

// request is one question to Vault. A nil body makes it a GET.
type request struct {
	kind  Kind
	path  string // below /v1/, in segments that need no escaping
	query url.Values
	body  []byte
	pod   Pod
	token secret.Value
}

// reply is Vault's answer, read whole.
type reply struct {
	status     int
	body       []byte
	location   string
	retryAfter time.Duration
}

// exchange sends r to a and reads the answer. Its errors are failures of the connection (see failure), never a status.
func (c *Client) exchange(ctx context.Context, a address, r request) (reply, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Retry.Timeout)
	defer cancel()
	began := time.Now()
	answer, err := c.send(ctx, a.client, r)
	if c.options.Observe != nil {
		c.options.Observe(Event{Kind: r.kind, Pod: r.pod, Status: answer.status, Duration: time.Since(began)})
	}
	return answer, err
}

// send makes one request. The Vault library says where it goes and with which headers, and it goes straight to the transport: redirects,
// retries and time are this package's own, and the library's layers for them took a tenth of a mount's time to do nothing.
func (c *Client) send(ctx context.Context, client *api.Client, r request) (reply, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if r.body != nil {
		method, body = http.MethodPut, bytes.NewReader(r.body)
	}
	asked := client.NewRequest(method, "/v1/"+r.path)
	asked.Headers.Set(HeaderPod, r.pod.header())
	if !r.token.IsEmpty() {
		asked.Headers.Set(api.AuthHeaderName, r.token.RevealString())
	}
	asked.URL.RawQuery = r.query.Encode()
	raw, err := http.NewRequestWithContext(ctx, method, "", body)
	if err != nil {
		return reply{}, err
	}
	raw.URL, raw.Host, raw.Header = asked.URL, asked.Host, asked.Headers
	response, err := bounded{c.transport}.RoundTrip(raw)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := readAll(response)
	return reply{
		status:     response.StatusCode,
		body:       text,
		location:   response.Header.Get("Location"),
		retryAfter: retryAfter(response.Header.Get("Retry-After")),
	}, err
}

// readAll reads a body into as much memory as it needs, where the answer says how long it is. The transport bounds it.
func readAll(response *http.Response) ([]byte, error) {
	const believed = 64 << 10
	room := int64(bytes.MinRead)
	if length := response.ContentLength; length > 0 && length <= believed {
		room = length + 1 // for the read that finds the end
	}
	body := make([]byte, 0, room)
	for {
		n, err := response.Body.Read(body[len(body):cap(body)])
		switch body = body[:len(body)+n]; {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return body, err
		}
		body = slices.Grow(body, 1)
	}
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// follow is exchange with redirects to the connection's own addresses.
func (c *Client) follow(ctx context.Context, a address, r request) (reply, error) {
	const most = 3
	for range most {
		answer, err := c.exchange(ctx, a, r)
		if err != nil || !isRedirect(answer.status) {
			return answer, err
		}
		next, ok := c.redirected(a, r, answer.location)
		if !ok {
			return reply{}, ErrRedirect
		}
		a = next
	}
	return reply{}, ErrRedirect
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}

// redirected finds the connection's address that location names. The request itself does not change: a location with another path
// would be another question.
func (c *Client) redirected(from address, r request, location string) (address, bool) {
	target, err := url.Parse(location)
	if err != nil || location == "" {
		return address{}, false
	}
	target = from.base.ResolveReference(target)
	for _, a := range c.addresses {
		if target.User == nil && target.Scheme == a.base.Scheme && hostPort(target) == hostPort(a.base) &&
			target.Path == path.Join(a.base.Path, "/v1", r.path) {
			return a, true
		}
	}
	return address{}, false
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Hostname() + " " + port
}
