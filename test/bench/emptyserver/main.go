// Command emptyserver is the least gRPC server that can say that it is there: nothing but the health service on a unix
// socket. It is what the provider's start is measured against.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	socket := flag.String("socket", "", "path of the unix socket")
	flag.Parse()
	if err := Run(*socket); err != nil {
		fmt.Fprintln(os.Stderr, "emptyserver:", err)
		os.Exit(1)
	}
}

// Run serves until the process is killed.
func Run(socket string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	return server.Serve(listener)
}
