// Command echoserver speaks the driver's provider protocol and does nothing: each Mount is answered at once, with an
// answer that was written into a file before. What a call of it costs is what gRPC over a unix socket costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

func main() {
	socket := flag.String("socket", "", "path of the unix socket")
	answer := flag.String("answer", "", "file of the MountResponse, as protobuf writes it")
	flag.Parse()
	if err := Run(*socket, *answer); err != nil {
		fmt.Fprintln(os.Stderr, "echoserver:", err)
		os.Exit(1)
	}
}

// Run serves until the process is killed.
func Run(socket, answerFile string) error {
	text, err := os.ReadFile(answerFile)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	e := &echo{answer: &v1alpha1.MountResponse{}}
	if err := proto.Unmarshal(text, e.answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	v1alpha1.RegisterCSIDriverProviderServer(server, e)
	return server.Serve(listener)
}

type echo struct {
	v1alpha1.UnimplementedCSIDriverProviderServer

	answer *v1alpha1.MountResponse
}

// Mount answers what was in the file.
func (e *echo) Mount(context.Context, *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	return e.answer, nil
}
