package events

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// folder is where a kubelet puts a container's own access to the API server.
const folder = "/var/run/secrets/kubernetes.io/serviceaccount"

// ErrAccess is a way to the API server that is there and of no use.
var ErrAccess = errors.New("the container's access to the API server is of no use")

// InCluster is a Sender with the container's own access to the API server; nil if the container has none, and then no event is told.
func InCluster(log *slog.Logger) (*Sender, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if _, err := os.Stat(filepath.Join(folder, "token")); err != nil || host == "" || port == "" {
		return nil, nil //nolint:nilerr,nilnil // no access is no fault
	}
	return New("https://"+net.JoinHostPort(host, port), folder, log)
}

// New is a Sender to the API server at address; access is a folder with ca.crt and token, as a kubelet makes it.
func New(address, access string, log *slog.Logger) (*Sender, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: its address is no URL", ErrAccess)
	}
	text, err := os.ReadFile(filepath.Join(access, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAccess, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: ca.crt holds no certificate", ErrAccess)
	}
	host, err := os.Hostname()
	if err != nil {
		host = component
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: sendTime, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Timeout: sendTime}).DialContext, MaxIdleConns: 1, ForceAttemptHTTP2: true,
	}
	return newSender(api{
		base: base, token: filepath.Join(access, "token"), instance: host,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, log), nil
}

// api is the API server.
type api struct {
	base     *url.URL
	token    string // a file, which the kubelet renews
	instance string
	client   *http.Client
}

func (a api) close() { a.client.CloseIdleConnections() }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func kind(e Event) string {
	if e.Warning {
		return "Warning"
	}
	return "Normal"
}

// create adds an event. See https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
func (a api) create(ctx context.Context, e Event, first told) error {
	status, err := a.call(ctx, http.MethodPost, e, "", "application/json", map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"name": first.name, "namespace": e.Pod.Namespace},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "Pod", "namespace": e.Pod.Namespace, "name": e.Pod.Name, "uid": e.Pod.UID,
		},
		"type": kind(e), "reason": e.Reason, "message": e.text(), "count": first.count,
		"firstTimestamp": stamp(first.first), "lastTimestamp": stamp(first.last),
		"source":             map[string]any{"component": component},
		"reportingComponent": component, "reportingInstance": a.instance,
	})
	if err == nil && status != http.StatusCreated {
		err = refused(status)
	}
	return err
}

// patch counts an event up; gone says that the API server has forgotten it.
func (a api) patch(ctx context.Context, e Event, again told) (gone bool, err error) {
	status, err := a.call(ctx, http.MethodPatch, e, again.name, "application/merge-patch+json", map[string]any{
		"count": again.count, "lastTimestamp": stamp(again.last), "message": e.text(),
	})
	switch {
	case err != nil:
		return false, err
	case status == http.StatusNotFound:
		return true, nil
	case status != http.StatusOK:
		return false, refused(status)
	}
	return false, nil
}

func refused(status int) error {
	return fmt.Errorf("the API server answered %d; events need the verbs create and patch on events for the provider's ServiceAccount", status)
}

// call answers with the status. What the API server wrote is not repeated.
func (a api) call(ctx context.Context, method string, e Event, name, contentType string, body any) (int, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	token, err := os.ReadFile(a.token)
	if err != nil {
		return 0, fmt.Errorf("reading the provider's own token: %w", err)
	}
	path := a.base.JoinPath("api", "v1", "namespaces", url.PathEscape(e.Pod.Namespace), "events", url.PathEscape(name))
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(path.String(), "/"), bytes.NewReader(text))
	if err != nil {
		return 0, errors.New("the API server's address is no URL")
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", component)
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := a.client.Do(request)
	if err != nil {
		return 0, errors.New("the API server does not answer")
	}
	defer func() { _ = answer.Body.Close() }()
	const most = 64 << 10
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, most)) // so that the connection is used again
	return answer.StatusCode, nil
}
