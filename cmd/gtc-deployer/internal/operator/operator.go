package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// MaxAnswer is the longest answer that is read, in bytes.
const MaxAnswer = 4 << 20

// timeout is what one request may take; the command's context bounds them all.
const timeout = 30 * time.Second

// Options is where Vault is and who asks.
type Options struct {
	Address   string       // http://… or https://…, without a path
	Token     secret.Value // the operator's; never empty
	Namespace string       // Vault Enterprise's or OpenBao's namespace; "" is the root
	CACert    []byte       // PEM of the authorities to trust; nil trusts the system's
}

// Vault is a connection. It is safe for concurrent use.
type Vault struct {
	client    *http.Client
	base      url.URL
	token     secret.Value
	namespace string
}

// Connect checks o, all faults at once (each an ErrOptions); it sends nothing yet.
func Connect(o Options) (*Vault, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...))
	}
	base, err := url.Parse(o.Address)
	switch {
	case o.Address == "":
		fault("address: none: give --vault-addr or VAULT_ADDR, or addr in the environment's secrets slot")
	case err != nil, base.Scheme != "http" && base.Scheme != "https", base.Host == "", base.User != nil,
		base.Path != "" && base.Path != "/", base.RawQuery != "", base.Fragment != "":
		fault("address: %q is not http(s)://HOST[:PORT]", o.Address)
	}
	switch {
	case o.Token.IsEmpty():
		fault("token: none: set VAULT_TOKEN or write one to ~/.vault-token (vault login does)")
	case strings.ContainsFunc(o.Token.RevealString(), func(r rune) bool { return r <= ' ' || r > '~' }):
		fault("token: it holds a space, a control or a non-ASCII character: is it the right file or variable?")
	}
	if strings.ContainsFunc(o.Namespace, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("namespace: %q holds a space, a control or a non-ASCII character", o.Namespace)
	}
	var roots *x509.CertPool
	if o.CACert != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(o.CACert) {
			fault("ca certificate: no PEM certificate in it")
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Vault{
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				ForceAttemptHTTP2:   true,
				MaxIdleConnsPerHost: 16,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       timeout,
		},
		base:      url.URL{Scheme: base.Scheme, Host: base.Host},
		token:     o.Token,
		namespace: o.Namespace,
	}, nil
}

// Address is the URL that requests go to.
func (v *Vault) Address() string { return v.base.String() }

// InClear reports whether the token travels unencrypted to another machine.
func (v *Vault) InClear() bool {
	host := v.base.Hostname()
	ip := net.ParseIP(host)
	return v.base.Scheme == "http" && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Close drops idle connections.
func (v *Vault) Close() { v.client.CloseIdleConnections() }

// Answer is what Vault said.
type Answer struct {
	Status    int             // 200, 204, or 404 from Read
	Data      json.RawMessage // the answer's "data"; nil where there is none
	Unmounted bool            // nothing at all is mounted where the path leads
}

// Found reports whether there is something at the path that was read.
func (a Answer) Found() bool { return a.Status != http.StatusNotFound }

// Decode reads Data into out. The error is an ErrAnswer.
func (a Answer) Decode(out any) error {
	if len(a.Data) == 0 {
		return fmt.Errorf("%w: it holds no data", ErrAnswer)
	}
	if err := json.Unmarshal(a.Data, out); err != nil {
		return fmt.Errorf("%w: its data has another shape than Vault's", ErrAnswer)
	}
	return nil
}

// Read asks for path, which stands below /v1/. Nothing being there is no error; the Answer says so, and may hold data nevertheless, as
// KV v2's does for a deleted version.
func (v *Vault) Read(ctx context.Context, path string) (Answer, error) {
	answer, err := v.do(ctx, http.MethodGet, path, nil)
	if err != nil && answer.Status == http.StatusNotFound {
		return answer, nil
	}
	return answer, err
}

// Write sends body as JSON to path, which stands below /v1/. The Answer is filled as far as it could be read, also beside an error.
func (v *Vault) Write(ctx context.Context, path string, body any) (Answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return Answer{}, fmt.Errorf("writing %s: encoding the request: %w", path, err)
	}
	return v.do(ctx, http.MethodPost, path, text)
}

func (v *Vault) do(ctx context.Context, method, path string, body []byte) (Answer, error) {
	// JoinPath would clean dot segments away; the path is ours and is sent as it is.
	target := v.base
	target.Path = "/v1/" + path
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("X-Vault-Request", "true")
	request.Header.Set("X-Vault-Token", v.token.RevealString())
	if v.namespace != "" {
		request.Header.Set("X-Vault-Namespace", v.namespace)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s at %s: %w: %w", method, path, v.base.Host, ErrUnreachable, bare(err))
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: reading the answer: %w: %w", method, path, ErrUnreachable, bare(err))
	}
	return read(method, path, response.StatusCode, text)
}

func read(method, path string, status int, text []byte) (Answer, error) {
	answer := Answer{Status: status}
	if len(text) > MaxAnswer {
		return answer, fmt.Errorf("%s %s: %w: it is longer than %d bytes", method, path, ErrAnswer, MaxAnswer)
	}
	var parts struct {
		Data   json.RawMessage `json:"data"`
		Errors []string        `json:"errors"`
	}
	parseErr := json.Unmarshal(text, &parts)
	answer.Data = parts.Data
	answer.Unmounted = status == http.StatusNotFound && mentions(parts.Errors, noRoute)
	if string(answer.Data) == "null" {
		answer.Data = nil
	}
	switch {
	// A proxy's page also comes as 404; only Vault's own word counts as "nothing there".
	case parseErr != nil && (status == http.StatusNotFound || status == http.StatusOK):
		return Answer{}, fmt.Errorf("%s %s: %w (HTTP %d): it is not JSON; is this address Vault's?", method, path, ErrAnswer, status)
	case status == http.StatusOK || status == http.StatusNoContent:
		return answer, nil
	default:
		return answer, statusError(method, path, status, parts.Errors)
	}
}

// bare drops what net/http adds around an error, which is the whole URL once more.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
