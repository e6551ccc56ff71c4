package provider

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

var (
	errUnknownConnection = errors.New("unknown vault connection")
	errNotServed         = errors.New("the vault connection does not serve the scope")
	errIdentity          = errors.New("vault's login is of another identity")
)

// longestLogout is what giving back a token may take.
const longestLogout = 2 * time.Second

// configured is a configuration with its connections. A mount uses the one that it began with; nothing in it changes.
type configured struct {
	naming      badge.Naming
	refresh     config.Refresh
	connections []*connection
	generation  uint64 // no two configurations have the same: what was remembered under another does not count
}

// connection is a Vault of the configuration and the client for it.
type connection struct {
	config.Vault
	client  *vault.Client
	breaker vault.Breaker
}

// Configure puts c in force for the mounts to come. Where it fails the running configuration stays. Mounts on their way end with what
// they began with.
func (s *Server) Configure(c config.Config) error {
	next := &configured{naming: c.Naming, refresh: c.Refresh, generation: s.generations.Add(1)}
	var faults []error
	for i, v := range c.Vaults {
		client, err := vault.New(vault.Options{
			Addresses: v.Addresses, Namespace: v.Namespace, AuthMount: v.AuthMount,
			KVMount: v.KVMount, KVPrefix: v.KVPrefix, TransitMount: v.TransitMount, TransitKey: v.TransitKey,
			RootCAs: v.RootCAs, Observe: s.observe,
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("vaults[%d]: %w", i, err))
			continue
		}
		for _, address := range v.InClear() {
			s.log.Warn("vault is reached without TLS: whoever listens on the way reads every secret",
				logkey.Connection, v.Name, logkey.Address, address.String())
		}
		next.connections = append(next.connections, &connection{Vault: v, client: client})
	}
	if len(c.Vaults) == 0 {
		faults = append(faults, errors.New("vaults: there is none"))
	}
	if len(faults) > 0 {
		next.close()
		return fmt.Errorf("configuring: %w", errors.Join(faults...))
	}
	s.current.Swap(next).close()
	s.sessions.Forget()
	return nil
}

// Reload is told what config.Watch found: a new configuration, which it puts in force, or why there is none, and then the running one
// stays. The log and a metric say which.
func (s *Server) Reload(c config.Config, err error) {
	if err == nil {
		err = s.Configure(c)
	}
	s.metrics.reloaded(err)
	if err != nil {
		s.log.Error("configuration refused, the running one stays", logkey.Error, oneLine(err))
		return
	}
	s.log.Info("configuration reloaded")
}

// Close ends what is on its way, wipes what is remembered, and closes the connections that nobody uses. No Mount may come after it.
func (s *Server) Close() {
	s.sessions.Close()
	s.leases.Close()
	s.current.Load().close()
}

// spared counts the connections whose Vault does not answer.
func (s *Server) spared() (count int) {
	for _, connection := range s.current.Load().connections {
		if connection.breaker.IsOpen() {
			count++
		}
	}
	return count
}

func (c *configured) close() {
	for _, connection := range c.connections {
		connection.client.Close()
	}
}

// connection is the one that the class names, or the first, if it serves the class's scope.
func (c *configured) connection(p params.Params) (*connection, error) {
	chosen := c.connections[0]
	if p.Vault != "" {
		var names []string
		chosen = nil
		for _, candidate := range c.connections {
			names = append(names, candidate.Name)
			if candidate.Name == p.Vault {
				chosen = candidate
			}
		}
		if chosen == nil {
			return nil, fmt.Errorf("vault: %w: %q; the provider's configuration has: %s", errUnknownConnection, p.Vault, strings.Join(names, ", "))
		}
	}
	if !chosen.Serves(p.Scope) {
		return nil, fmt.Errorf("vault: %w: %q and %q; name another connection, or ask the provider's operator to add the scope", errNotServed, chosen.Name, p.Scope)
	}
	return chosen, nil
}

// admit is the first wall: it decides before Vault hears anything. It would decide the same until the token expires.
func (c *configured) admit(request mount.Request, to *connection, proof secret.Value) ([]badge.Granted, badge.Claims, error) {
	claims, err := badge.ParseClaims(proof)
	if err != nil {
		return nil, claims, fmt.Errorf("token: %w", err)
	}
	asks := make([]badge.Ask, len(request.Params.Objects))
	for i, o := range request.Params.Objects {
		asks[i] = badge.Ask{Reference: o.Ref, Path: o.Raw}
	}
	granted, err := c.naming.Admit(badge.Claim{
		Scope: request.Params.Scope, Pod: request.Pod, Token: claims, Audience: to.Audience, Asks: asks, Paths: to.RawPaths,
	}, time.Now())
	return granted, claims, err
}

// confirm compares a login's answer with the pod. The kubernetes method names the ServiceAccount always, the jwt method if the role's
// claim_mappings say so; where neither its name nor its namespace is told, the role has to be the one that was asked for.
func confirm(login vault.Login, pod badge.Pod, role string) error {
	named := login.Namespace != "" || login.ServiceAccount != ""
	switch {
	case login.Namespace != "" && login.Namespace != pod.Namespace,
		login.ServiceAccount != "" && login.ServiceAccount != pod.ServiceAccount:
		return fmt.Errorf("logging in: %w: it names another namespace or ServiceAccount than %q; nothing was read: "+
			"see who else writes this Vault's auth mount", errIdentity, pod.Badge())
	case !named && login.Role != role:
		return fmt.Errorf("logging in: %w: it names neither the ServiceAccount nor the role %q; nothing was read: run `gtc-deployer vault apply`", errIdentity, role)
	}
	return nil
}
