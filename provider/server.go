package provider

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/session"
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
	// Tell is told, for the pod's owner, when a volume's refreshes begin to fail and when they work again; nil for nobody.
	Tell func(events.Event)
}

// Server answers the driver. It is safe for concurrent use.
type Server struct {
	v1alpha1.UnimplementedCSIDriverProviderServer

	version  string
	log      *slog.Logger
	notify   func(events.Event)
	metrics  *metrics
	versions object.Versions
	classes  params.Memory
	sessions *session.Store
	leases   *lease.Store
	current  atomic.Pointer[configured]

	generations atomic.Uint64 // of configurations
}

// New makes a Server with a configuration. It holds memory and a goroutine until Close.
func New(c config.Config, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(events.Event) {}
	}
	s := &Server{version: o.Version, log: o.Logger, notify: o.Tell, versions: object.NewVersions()}
	s.current.Store(&configured{})
	s.sessions, s.leases = session.New(session.Options{Decided: isDecided}), lease.New(s.leased)
	var err error
	if s.metrics, err = newMetrics(o.Metrics, s.sessions.Totals, s.leases.Totals, s.spared); err == nil {
		err = s.Configure(c)
	}
	if err != nil {
		s.sessions.Close()
		s.leases.Close()
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
	call := s.sessions.Call(configured.generation, wire.GetAttributes(), wire.GetSecrets())
	answer, volume, again := s.sessions.Again(call)
	if again {
		story.again(volume)
	} else {
		visit, err := s.admit(configured, wire, story)
		if err != nil {
			return nil, err
		}
		visit.Call = call
		answer, err = s.sessions.Answer(ctx, visit)
		if err != nil {
			story.answered(answer)
			return nil, err
		}
	}
	story.answered(answer)
	defer answer.Bytes.Wipe()
	response, err := mount.Unmarshal(answer.Bytes)
	story.files = len(response.GetFiles())
	return response, err
}

// admit looks into a call: it is everything that stands before what is remembered, and before Vault. What it decides depends on the
// configuration, the attributes, the secrets and the token's expiry, and on nothing else, or session.Call has to know of it.
func (s *Server) admit(configured *configured, wire *v1alpha1.MountRequest, story *story) (session.Visit, error) {
	request, err := mount.Decode(wire, &s.classes)
	story.asked(request)
	if err != nil {
		return session.Visit{}, err
	}
	connection, err := configured.connection(request.Params)
	if err != nil {
		return session.Visit{}, err
	}
	story.connection = connection.Name
	proof, err := request.Token(connection.Audience)
	if err != nil {
		return session.Visit{}, err
	}
	granted, claims, err := configured.admit(request, connection, proof)
	if err != nil {
		return session.Visit{}, err
	}
	visit, err := configured.visit(volume{
		request: request, connection: connection, proof: proof, granted: granted, issued: claims.Issued,
		versions: s.versions, leases: s.leases, silence: configured.refresh.PodSilence,
	})
	visit.Expires = claims.Expires
	return visit, err
}
