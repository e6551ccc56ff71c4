package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server stands for an API server that takes events.
type server struct {
	*httptest.Server
	access string // a folder as the kubelet makes it

	mu     sync.Mutex
	calls  []call
	status int // 0 is what belongs there
	body   string
}

type call struct {
	method, path, contentType, token string
	body                             map[string]any
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{access: t.TempDir()}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(s.access, "ca.crt"), ca, 0o600))
	s.token(t, "first")
	return s
}

func (s *server) token(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.access, "token"), []byte(text+"\n"), 0o600))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{method: r.Method, path: r.URL.Path, contentType: r.Header.Get("Content-Type"), token: r.Header.Get("Authorization")}
	_ = json.NewDecoder(r.Body).Decode(&c.body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	status := s.status
	if status == 0 {
		status = map[string]int{http.MethodPost: 201, http.MethodPatch: 200}[r.Method]
	}
	w.WriteHeader(status)
	body := s.body
	if body == "" {
		body = `{"canary":"of the API server"}`
	}
	_, _ = io.WriteString(w, body)
}

func (s *server) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *server) says(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = body
}

func (s *server) told() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call{}, s.calls...)
}

// sender is a running Sender and its log.
func (s *server) sender(t *testing.T) (*events.Sender, *log) {
	t.Helper()
	l := &log{}
	client, err := kubeapi.New(s.URL, s.access)
	require.NoError(t, err)
	sender := events.New(client, slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sender.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		client.Close()
	})
	return sender, l
}

type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var pod = badge.Pod{Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: "a-uid", ServiceAccount: "gtc.acme.sales"}

func (s *server) waitFor(t *testing.T, calls int) []call {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.told()) >= calls }, 10*time.Second, time.Millisecond)
	return s.told()
}

func TestAnEventIsAddedAndCountedUp(t *testing.T) {
	s := newServer(t)
	sender, _ := s.sender(t)
	failed := events.Event{Pod: pod, Warning: true, Reason: "GreenticRefreshFailed", Message: "sealed"}
	sender.Tell(failed)
	first := s.waitFor(t, 1)[0]
	assert.Equal(t, "POST", first.method)
	assert.Equal(t, "/api/v1/namespaces/gtc-prod--acme--sales/events", first.path)
	assert.Equal(t, "Bearer first", first.token)
	assert.Equal(t, map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": pod.Namespace, "name": pod.Name, "uid": pod.UID}, first.body["involvedObject"])
	assert.Equal(t, "Warning", first.body["type"])
	assert.Equal(t, "GreenticRefreshFailed", first.body["reason"])
	assert.Equal(t, "sealed", first.body["message"])
	assert.EqualValues(t, 1, first.body["count"])
	assert.NotEmpty(t, first.body["reportingInstance"])
	name := first.body["metadata"].(map[string]any)["name"].(string)
	assert.Regexp(t, `^worker-0\.[0-9a-f]+$`, name)

	s.token(t, "renewed")
	sender.Tell(failed)
	second := s.waitFor(t, 2)[1]
	assert.Equal(t, "PATCH", second.method)
	assert.Equal(t, "/api/v1/namespaces/gtc-prod--acme--sales/events/"+name, second.path)
	assert.Equal(t, "application/merge-patch+json", second.contentType)
	assert.Equal(t, "Bearer renewed", second.token)
	assert.EqualValues(t, 2, second.body["count"])

	sender.Tell(events.Event{Pod: pod, Reason: "GreenticRefreshRestored", Message: "again"})
	third := s.waitFor(t, 3)[2]
	assert.Equal(t, "POST", third.method)
	assert.Equal(t, "Normal", third.body["type"])
}

func TestAnEventThatTheAPIServerHasForgotten(t *testing.T) {
	s := newServer(t)
	sender, _ := s.sender(t)
	e := events.Event{Pod: pod, Warning: true, Reason: "A"}
	sender.Tell(e)
	s.waitFor(t, 1)
	s.answer(404)
	sender.Tell(e)
	s.waitFor(t, 3)
	s.answer(0)
	calls := s.told()
	assert.Equal(t, []string{"POST", "PATCH", "POST"}, []string{calls[0].method, calls[1].method, calls[2].method})
}

func TestWhatTheAPIServerRefusesIsSaidOnce(t *testing.T) {
	s := newServer(t)
	sender, l := s.sender(t)
	s.answer(403)
	sender.Tell(events.Event{Pod: pod, Reason: "A", Message: "canary of a message"})
	require.Eventually(t, func() bool { return strings.Contains(l.String(), "event not sent") }, 10*time.Second, time.Millisecond)
	assert.Contains(t, l.String(), "the API server answered 403; events need the verbs create and patch")
	assert.NotContains(t, l.String(), "canary")
	assert.NotContains(t, l.String(), "Bearer")
	assert.Len(t, s.told(), 1)
	s.answer(0)
	sender.Tell(events.Event{Pod: pod, Reason: "A"})
	assert.Equal(t, "POST", s.waitFor(t, 2)[1].method, "what was refused is not counted up")
}

func TestEventsAreRateLimitedAndBounded(t *testing.T) {
	s := newServer(t)
	sender, l := s.sender(t)
	began := time.Now()
	for i := range 400 {
		other := pod
		other.Name = fmt.Sprint("worker-", i)
		sender.Tell(events.Event{Pod: other, Reason: "A", Message: strings.Repeat("x", 5000)})
	}
	assert.Less(t, time.Since(began), 20*time.Second, "nobody waits: one after the other they would take 40 s")
	assert.Contains(t, l.String(), "event dropped: too many wait")
	time.Sleep(1100 * time.Millisecond)
	calls := s.told()
	assert.GreaterOrEqual(t, len(calls), 10)
	assert.LessOrEqual(t, len(calls), 11+int(5*time.Since(began).Seconds()), "a burst of 10, then 5 a second")
	assert.LessOrEqual(t, len(calls[0].body["message"].(string)), 1024)
}

// TestANamespaceThatIsBeingDeleted takes no events, and that is nobody's fault: the right to write them is not what lacks.
func TestANamespaceThatIsBeingDeleted(t *testing.T) {
	s := newServer(t)
	sender, l := s.sender(t)
	s.answer(403)
	s.says(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"canary","reason":"Forbidden","code":403,` +
		`"details":{"name":"x","kind":"events","causes":[{"reason":"NamespaceTerminating","message":"canary","field":"metadata.namespace"}]}}`)
	sender.Tell(events.Event{Pod: pod, Reason: "A"})
	require.Eventually(t, func() bool { return strings.Contains(l.String(), "event not sent, its namespace is being deleted") }, 30*time.Second, time.Millisecond)
	assert.Contains(t, l.String(), `"level":"DEBUG"`)
	assert.NotContains(t, l.String(), "403")
	assert.NotContains(t, l.String(), "canary")
}

func TestAnAPIServerThatIsDown(t *testing.T) {
	s := newServer(t)
	sender, l := s.sender(t)
	s.Close()
	sender.Tell(events.Event{Pod: pod, Reason: "A"})
	require.Eventually(t, func() bool { return strings.Contains(l.String(), "the API server does not answer") }, 10*time.Second, time.Millisecond)
}
