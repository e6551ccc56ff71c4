package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/greenticai/gtc-csi-provider/test/demo/internal/narrator"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

const configuration = `apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- name: default
  addresses: [%q]
  audience: vault
refresh: {interval: always} # so that the rotation is seen at the next republish, and not up to 5 minutes later
`

func (d *demo) startProvider(ctx context.Context) error {
	file := filepath.Join(d.lab.Dir(), "provider.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, d.lab.VaultAddr()), 0o600); err != nil {
		return err
	}
	socket := d.lab.ProviderSocket("greentic")
	began := time.Now()
	process, err := d.lab.StartProcess("provider", exec.Command(d.program("gtc-csi-provider"),
		"--endpoint", socket, "--config", file, "--health-addr", "", "--metrics-addr", "", "--log-level", "debug"))
	if err != nil {
		return err
	}
	d.provider = process
	if err := serving(ctx, socket, process); err != nil {
		return err
	}
	ready := narrator.Rounded(time.Since(began))
	d.Say("serves %s after %s", filepath.Base(socket), ready)
	d.Measure("the provider's start to a served socket: %s", ready)
	return nil
}

// serving waits until the provider says on its own socket that it serves.
func serving(ctx context.Context, socket string, process *lab.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	health := healthv1.NewHealthClient(connection)
	for {
		// gRPC waits a second after a dial that failed: it dials when there is something.
		if _, err := os.Stat(socket); err != nil {
			if err := pause(ctx, process); err != nil {
				return err
			}
			continue
		}
		answer, err := health.Check(ctx, &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && answer.GetStatus() == healthv1.HealthCheckResponse_SERVING {
			return nil
		}
		if err := pause(ctx, process); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, process *lab.Process) error {
	select {
	case <-process.Done():
		return errors.Join(errors.New("the provider ended"), process.Wait())
	case <-ctx.Done():
		return fmt.Errorf("the provider does not serve: %w", ctx.Err())
	case <-time.After(2 * time.Millisecond):
		return nil
	}
}
