package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// containerd has one image.
type containerd struct {
	cri.UnimplementedImageServiceServer
}

func image() *cri.Image {
	return &cri.Image{Id: "sha256:1234", RepoTags: []string{"docker.io/a/b:1", "docker.io/a/b:2"}, Size: 7}
}

func (containerd) ImageStatus(_ context.Context, r *cri.ImageStatusRequest) (*cri.ImageStatusResponse, error) {
	if r.GetImage().GetImage() != "a/b:1" {
		return &cri.ImageStatusResponse{}, nil
	}
	return &cri.ImageStatusResponse{Image: image()}, nil
}

func (containerd) ListImages(context.Context, *cri.ListImagesRequest) (*cri.ListImagesResponse, error) {
	return &cri.ListImagesResponse{Images: []*cri.Image{image()}}, nil
}

func client(t *testing.T) cri.ImageServiceClient {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	cri.RegisterImageServiceServer(server, containerd{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		server.Stop()
		assert.NoError(t, <-served)
	})
	return cri.NewImageServiceClient(conn)
}

func TestRunAnswersWhatKindAsks(t *testing.T) {
	images := client(t)
	for _, row := range []struct {
		args      []string
		out, says string
	}{
		{args: []string{"inspecti", "a/b:1"}, out: `{"status":{"id":"sha256:1234","repoTags":["docker.io/a/b:1","docker.io/a/b:2"]}}` + "\n"},
		{args: []string{"images"}, out: "docker.io/a/b:1,docker.io/a/b:2\tsha256:1234\t7\n"},
		{args: []string{"inspecti", "a/b:3"}, says: `no such image "a/b:3" present`},
		{args: []string{"inspecti"}, says: "usage: crictl"},
		{args: []string{"pods"}, says: "usage: crictl"},
		{args: nil, says: "usage: crictl"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), images, row.args, &out)
		assert.Equal(t, row.out, out.String(), "%v", row.args)
		if row.says != "" {
			assert.ErrorContains(t, err, row.says)
			continue
		}
		assert.NoError(t, err, "%v", row.args)
	}
}
