// Command crictl stands in for the tool of that name, which no module proxy serves, as far as kind asks for it: "inspecti NAME" prints an image's
// status as JSON, "images" prints a table.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	endpoint = "unix:///run/containerd/containerd.sock"
	patience = 30 * time.Second
)

var errUsage = errors.New("usage: crictl inspecti IMAGE | crictl images")

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := connect(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

func connect(ctx context.Context, args []string, out io.Writer) error {
	containerd, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", endpoint, err)
	}
	defer containerd.Close()
	return run(ctx, cri.NewImageServiceClient(containerd), args, out)
}

func run(ctx context.Context, images cri.ImageServiceClient, args []string, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "inspecti":
		return inspect(ctx, images, args[1], out)
	case len(args) == 1 && args[0] == "images":
		return list(ctx, images, out)
	default:
		return errUsage
	}
}

// status is the part of crictl's answer that kind reads.
type status struct {
	Status struct {
		ID       string   `json:"id"`
		RepoTags []string `json:"repoTags"`
	} `json:"status"`
}

func inspect(ctx context.Context, images cri.ImageServiceClient, name string, out io.Writer) error {
	answer, err := images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return fmt.Errorf("asking for image %q: %w", name, err)
	}
	if answer.GetImage() == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	var printed status
	printed.Status.ID, printed.Status.RepoTags = answer.GetImage().GetId(), answer.GetImage().GetRepoTags()
	return json.NewEncoder(out).Encode(printed)
}

func list(ctx context.Context, images cri.ImageServiceClient, out io.Writer) error {
	answer, err := images.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	for _, image := range answer.GetImages() {
		fmt.Fprintf(out, "%s\t%s\t%d\n", strings.Join(image.GetRepoTags(), ","), image.GetId(), image.GetSize())
	}
	return nil
}
