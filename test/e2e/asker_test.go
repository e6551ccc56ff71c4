//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// asker asks a Service's workers again and again, at a port of the node, so that their answers need no API server.
type asker struct {
	port string
	want map[string]string

	mu            sync.Mutex // guards what follows
	url           string
	right, silent int
	wrong         []string
}

// ask begins to ask, until the test's end.
func (s *story) ask(t *testing.T, namespace, service string, want map[string]string) *asker {
	t.Helper()
	found, err := s.Kube.CoreV1().Services(namespace).Get(t.Context(), service, metav1.GetOptions{})
	require.NoError(t, err)
	a := &asker{port: strconv.Itoa(int(found.Spec.Ports[0].NodePort)), want: want}
	a.at(s.Cluster.Node().IP())
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		a.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-stopped
	})
	a.await(t)
	return a
}

// at has it ask the node at this address from now on.
func (a *asker) at(node string) {
	a.note(func() { a.url = "http://" + net.JoinHostPort(node, a.port) })
}

func (a *asker) run(ctx context.Context) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		a.once(ctx, client)
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// once asks one question. That there is no answer is one thing, and that there is a wrong one another.
func (a *asker) once(ctx context.Context, client *http.Client) {
	var url string
	a.note(func() { url = a.url })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		a.note(func() { a.wrong = append(a.wrong, err.Error()) })
		return
	}
	response, err := client.Do(request)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(response.Body)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.note(func() { a.silent++ })
	case response.StatusCode != http.StatusOK || !maps.Equal(lines(string(text)), a.want):
		a.note(func() { a.wrong = append(a.wrong, fmt.Sprintf("%s: %s", response.Status, text)) })
	default:
		a.note(func() { a.right++ })
	}
}

func (a *asker) note(what func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what()
}

// count is what came since the last count.
func (a *asker) count() (right, silent int, wrong []string) {
	a.note(func() {
		right, silent, wrong = a.right, a.silent, a.wrong
		a.right, a.silent, a.wrong = 0, 0, nil
	})
	return right, silent, wrong
}

// await returns when there are right answers, and begins to count.
func (a *asker) await(t *testing.T) {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for ctx := soon(t); ; {
		if right, _, wrong := a.count(); right > 0 && len(wrong) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, ctx.Err(), "the running workers do not answer")
		case <-again.C:
		}
	}
}
