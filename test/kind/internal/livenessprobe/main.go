// Command livenessprobe stands in for the CSI sidecar of that name, which no module proxy serves: GET /healthz is 200 while the driver on
// --csi-address answers a Probe.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket")
	endpoint := flag.String("http-endpoint", ":9808", "where to serve /healthz")
	timeout := flag.Duration("probe-timeout", time.Second, "how long one Probe may take")
	flag.Int("v", 0, "ignored: nothing is logged but what ends the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *endpoint, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "livenessprobe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, endpoint string, timeout time.Duration) error {
	driver, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("making a client for the driver's socket: %w", err)
	}
	defer driver.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", healthz(csi.NewIdentityClient(driver), timeout))
	server := &http.Server{Addr: endpoint, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	end := context.AfterFunc(ctx, func() { _ = server.Close() }) // the process ends: nothing is left to close in order
	defer end()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return fmt.Errorf("serving /healthz: %w", err)
	}
	return nil
}

// healthz answers 200 if the driver says that it is ready, or does not say that it is not, as the CSI specification has it.
func healthz(driver csi.IdentityClient, timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		answer, err := driver.Probe(ctx, &csi.ProbeRequest{})
		switch {
		case err != nil:
			http.Error(w, "the driver does not answer: "+err.Error(), http.StatusInternalServerError)
		case answer.GetReady() != nil && !answer.GetReady().GetValue():
			http.Error(w, "the driver is not ready", http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, "ok")
		}
	}
}
