// Command vault is the lab's Vault: HashiCorp's own core and HTTP handler with the few backends that the product meets, as one process.
//
// The full vault command links every cloud's SDK; this one links the core, kv, transit, pki, database (PostgreSQL), and the
// kubernetes and jwt auth methods. On its first start over a storage folder it initialises itself with one unseal key and writes the
// key and the root token to the two files named by flags; on a later start it unseals itself with what it finds there.
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kubeauth "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/logical/database"
	"github.com/hashicorp/vault/builtin/logical/pki"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to serve on")
	flag.StringVar(&o.dir, "dir", "", "folder for storage, init.unseal and init.token")
	flag.StringVar(&o.certFile, "tls-cert", "", "serve TLS with this certificate file")
	flag.StringVar(&o.keyFile, "tls-key", "", "and this key file")
	flag.StringVar(&o.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

type options struct {
	listen, dir, certFile, keyFile, logLevel string
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		return errors.New("--dir is needed")
	}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(o.logLevel), Output: os.Stderr})
	storage, err := file.NewFileBackend(map[string]string{"path": filepath.Join(o.dir, "storage")}, logger)
	if err != nil {
		return fmt.Errorf("opening the storage folder: %w", err)
	}
	// In-process auth plugins ask for nothing of the machine; mlock would ask for a capability.
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:     storage,
		DisableMlock: true,
		Logger:       logger,
		LogicalBackends: map[string]logical.Factory{
			"kv": kv.Factory, "transit": transit.Factory, "pki": pki.Factory, "database": database.Factory,
		},
		CredentialBackends: map[string]logical.Factory{
			"kubernetes": kubeauth.Factory, "jwt": jwtauth.Factory,
		},
		AuditBackends:   map[string]audit.Factory{"file": audit.NewFileBackend},
		BuiltinRegistry: registry{},
	})
	if err != nil {
		return fmt.Errorf("making the core: %w", err)
	}
	// The plugins' own goroutines belong to the core: it is shut down, not dropped.
	defer func() { _ = core.Shutdown() }()

	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{},
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	if err := open(ctx, core, o.dir); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		if o.certFile != "" {
			served <- server.ServeTLS(listener, o.certFile, o.keyFile)
			return
		}
		served <- server.Serve(listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		_ = server.Close()
		<-served
		return nil
	}
}

// open initialises a fresh core or unseals one that was initialised before.
func open(ctx context.Context, core *vault.Core, dir string) error {
	keyFile, tokenFile := filepath.Join(dir, "init.unseal"), filepath.Join(dir, "init.token")
	done, err := core.Initialized(ctx)
	if err != nil {
		return fmt.Errorf("asking whether the storage is initialised: %w", err)
	}
	if !done {
		result, err := core.Initialize(ctx, &vault.InitParams{
			BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
			RecoveryConfig: &vault.SealConfig{},
		})
		if err != nil {
			return fmt.Errorf("initialising: %w", err)
		}
		if err := os.WriteFile(keyFile, []byte(hex.EncodeToString(result.SecretShares[0])), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(tokenFile, []byte(result.RootToken), 0o600); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("reading the unseal key: %w", err)
	}
	if _, err := core.Unseal(key); err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	return nil
}

// registry tells the core which plugins are compiled in. A nil registry makes enabling a mount panic.
type registry struct{}

func (registry) plugins(kind consts.PluginType) map[string]func() (any, error) {
	builtin := func(f logical.Factory) func() (any, error) { return func() (any, error) { return f, nil } }
	switch kind {
	case consts.PluginTypeSecrets:
		return map[string]func() (any, error){
			"kv": builtin(kv.Factory), "transit": builtin(transit.Factory), "pki": builtin(pki.Factory), "database": builtin(database.Factory),
		}
	case consts.PluginTypeCredential:
		return map[string]func() (any, error){"kubernetes": builtin(kubeauth.Factory), "jwt": builtin(jwtauth.Factory)}
	case consts.PluginTypeDatabase:
		return map[string]func() (any, error){"postgresql-database-plugin": postgresql.New}
	default:
		return nil
	}
}

func (r registry) Contains(name string, kind consts.PluginType) bool {
	_, ok := r.plugins(kind)[name]
	return ok
}

func (r registry) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	f, ok := r.plugins(kind)[name]
	return f, ok
}

func (r registry) Keys(kind consts.PluginType) []string {
	var names []string
	for name := range r.plugins(kind) {
		names = append(names, name)
	}
	return names
}

func (r registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, kind)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
