package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// provider is a Secrets Store CSI provider that answers from a list: each Mount takes the next answer, and the last one for ever.
type provider struct {
	v1alpha1.UnimplementedCSIDriverProviderServer

	mu       sync.Mutex // guards what follows
	answers  []answer
	requests []*v1alpha1.MountRequest
}

// answer is an error or a set of files, after something else has happened.
type answer struct {
	before func(context.Context)
	err    error
	files  map[string]string
}

func (p *provider) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: "v1alpha1", RuntimeName: "fake", RuntimeVersion: "0.0.1"}, nil
}

func (p *provider) Mount(ctx context.Context, request *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	next := p.next(request)
	if next.before != nil {
		next.before(ctx)
	}
	if next.err != nil {
		return nil, next.err
	}
	response := &v1alpha1.MountResponse{ObjectVersion: []*v1alpha1.ObjectVersion{{Id: "all", Version: "1"}}}
	for path, content := range next.files {
		response.Files = append(response.Files, &v1alpha1.File{Path: path, Mode: 0o644, Contents: []byte(content)})
	}
	return response, nil
}

// next notes a request and takes the answer to it.
func (p *provider) next(request *v1alpha1.MountRequest) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, request)
	next := p.answers[0]
	if len(p.answers) > 1 {
		p.answers = p.answers[1:]
	}
	return next
}

// answer makes it answer so from now on.
func (p *provider) answer(answers ...answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = answers
}

// calls is how often Mount was called.
func (p *provider) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// attributes are those of the last request.
func (p *provider) attributes(t *testing.T) map[string]string {
	t.Helper()
	attributes := map[string]string{}
	require.NoError(t, json.Unmarshal([]byte(p.last(t).GetAttributes()), &attributes))
	return attributes
}

// serve makes it serve under a name until the test ends.
func serve(t *testing.T, l *lab.Lab, name string, answers ...answer) *provider {
	t.Helper()
	p := &provider{answers: answers}
	listener, err := net.Listen("unix", l.ProviderSocket(name))
	require.NoError(t, err)
	server := grpc.NewServer()
	v1alpha1.RegisterCSIDriverProviderServer(server, p)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) {
			require.NoError(t, err)
		}
	})
	return p
}

// last is the last request.
func (p *provider) last(t *testing.T) *v1alpha1.MountRequest {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotEmpty(t, p.requests, "the provider was never called")
	return p.requests[len(p.requests)-1]
}
