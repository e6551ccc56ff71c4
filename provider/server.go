package provider

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
)

// Name is the provider's name, as SecretProviderClasses and the socket's name have it.
const Name = "greentic"

// apiVersion is the version of the driver's provider API.
const apiVersion = "v1alpha1"

// Options are what a Server needs besides its configuration.
type Options struct {
	// Version is the program's own version, for Version.
	Version string
	// Logger is told how each mount ended; nil discards.
	Logger *slog.Logger
	// Metrics takes the Server's metrics; nil keeps them to itself.
	Metrics prometheus.Registerer
}

// Server answers the driver. It is safe for concurrent use.
type Server struct {
	v1alpha1.UnimplementedCSIDriverProviderServer

	version  string
	log      *slog.Logger
	metrics  *metrics
	versions object.Versions
	current  atomic.Pointer[configured]
}

// New makes a Server with a configuration.
func New(c config.Config, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	s := &Server{version: o.Version, log: o.Logger, metrics: m, versions: object.NewVersions()}
	s.current.Store(&configured{})
	if err := s.Configure(c); err != nil {
		return nil, err
	}
	return s, nil
}

// Version answers the driver's question who this is.
func (s *Server) Version(context.Context, *v1alpha1.VersionRequest) (*v1alpha1.VersionResponse, error) {
	return &v1alpha1.VersionResponse{Version: apiVersion, RuntimeName: Name, RuntimeVersion: s.version}, nil
}

// Mount answers what the files of a pod's volume are. It writes nothing itself. Its errors are gRPC statuses, see codes.go.
func (s *Server) Mount(ctx context.Context, wire *v1alpha1.MountRequest) (*v1alpha1.MountResponse, error) {
	began := time.Now()
	story := &story{}
	response, err := s.mount(ctx, wire, story)
	s.tell(ctx, story, time.Since(began), err)
	return response, statusOf(err)
}

func (s *Server) mount(ctx context.Context, wire *v1alpha1.MountRequest, story *story) (*v1alpha1.MountResponse, error) {
	configured := s.current.Load()
	request, err := mount.Decode(wire)
	story.asked(request)
	if err != nil {
		return nil, err
	}
	connection, err := configured.connection(request.Params)
	if err != nil {
		return nil, err
	}
	story.connection = connection.Name
	proof, err := request.Token(connection.Audience)
	if err != nil {
		return nil, err
	}
	granted, err := configured.admit(request, connection, proof)
	if err != nil {
		return nil, err
	}
	login, err := connection.login(ctx, request, proof)
	story.login = login.RequestID
	defer connection.logout(ctx, login)
	if err != nil {
		return nil, err
	}
	found, err := fetch.All(ctx, connection.client, login.Token, wishes(request.Params, granted))
	if err != nil {
		return nil, err
	}
	files, err := object.Files(s.versions, request.Params.Objects, found)
	if err != nil {
		return nil, err
	}
	story.files = len(files)
	return mount.Encode(files)
}
