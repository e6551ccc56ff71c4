// Command registrar stands in for node-driver-registrar, which no module proxy serves: it asks the driver on --csi-address for its name and
// tells the kubelet, by the kubelet's plugin registration, that the driver is there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// patience is how long the driver may take until it answers.
const patience = time.Minute

// errRefused ends the program when the kubelet refuses the driver: the container's restart is the next try.
var errRefused = errors.New("the kubelet refused the registration")

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket, as this container sees it")
	kubeletPath := flag.String("kubelet-registration-path", "", "the driver's socket, as the kubelet sees it")
	folder := flag.String("plugin-registration-path", "/registration", "the kubelet's folder of plugin sockets")
	flag.Int("v", 0, "ignored: every step is logged once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *kubeletPath, *folder); err != nil {
		slog.Error("ending", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, kubeletPath, folder string) error {
	name, err := driverName(ctx, address)
	if err != nil {
		return err
	}
	slog.Info("the driver answers", "name", name)
	socket := filepath.Join(folder, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing what an earlier run left: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening for the kubelet: %w", err)
	}
	serving, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, plugin{name: name, endpoint: kubeletPath, refuse: refuse})
	end := context.AfterFunc(serving, server.Stop)
	defer end()
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serving the kubelet: %w", err)
	}
	if cause := context.Cause(serving); errors.Is(cause, errRefused) {
		return cause
	}
	return nil
}

// driverName asks the driver until it answers.
func driverName(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	driver, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", fmt.Errorf("making a client for the driver's socket: %w", err)
	}
	defer driver.Close()
	info, err := csi.NewIdentityClient(driver).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return "", fmt.Errorf("asking the driver for its name: %w", err)
	}
	if info.GetName() == "" {
		return "", errors.New("asking the driver for its name: it has none")
	}
	return info.GetName(), nil
}

// plugin is the kubelet's view of the driver.
type plugin struct {
	registration.UnimplementedRegistrationServer

	name, endpoint string
	refuse         context.CancelCauseFunc
}

// GetInfo tells the kubelet what is there and where.
func (p plugin) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: p.name, Endpoint: p.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

// NotifyRegistrationStatus hears what became of it.
func (p plugin) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	slog.Info("the kubelet answers", "registered", status.GetPluginRegistered(), "error", status.GetError())
	if !status.GetPluginRegistered() {
		p.refuse(fmt.Errorf("%w: %s", errRefused, status.GetError()))
	}
	return &registration.RegistrationStatusResponse{}, nil
}
