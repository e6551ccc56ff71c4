package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
	"github.com/greenticai/gtc-csi-provider/test/postgres"
)

// leasing is an environment whose policies grant raw paths: to the team sales a database's credentials and certificates, to support
// only what needs no lease.
type leasing struct {
	*world
	*environment
	database *postgres.Server
	paths    []rawPath
}

// newLeasing wires the environment id: Vault's database engine before a real PostgreSQL, and its PKI engine, each mounted under id.
func newLeasing(t *testing.T, id string) *leasing {
	t.Helper()
	w, env := wired(t, id)
	l := &leasing{world: w, environment: env, database: postgres.Start(t, w.Lab), paths: []rawPath{
		{Path: id + "-database/creds/{role}", Kind: "lease"},
		{Path: id + "-pki/issue/{role}", Kind: "certificate", Args: []string{"common_name", "ttl"}},
		{Path: id + "-pki/cert/ca", Kind: "value"},
	}}
	l.engine(t, "database")
	l.engine(t, "pki")
	l.set(t, id+"-database/config/postgres", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "postgres", "password": l.database.Password.RevealString(),
		"connection_url": l.database.URL,
	})
	l.set(t, id+"-pki/root/generate/internal", map[string]any{"common_name": "the lab's authority", "ttl": "24h"})

	// The wiring is told of sales' lease only, so that support has a role with batch tokens.
	file := filepath.Join(filepath.Dir(env.file), "provider.yaml")
	wiring := l.config()
	wiring.RawPaths = append([]rawPath{}, l.paths...)
	wiring.RawPaths[0].Scopes = []string{"*/*/sales"}
	require.NoError(t, wiring.write(file))
	env.wiring = append(env.wiring, "--provider-config", file)
	require.NoError(t, env.apply(t.Context(), w))
	return l
}

func (l *leasing) config() config { return l.configOf().refreshing(refresh{}).granting(l.paths...) }

func (l *leasing) engine(t *testing.T, kind string) {
	t.Helper()
	path := "sys/mounts/" + l.id + "-" + kind
	l.set(t, path, map[string]any{"type": kind})
	t.Cleanup(func() {
		_, err := l.vault.Logical().Delete(path)
		assert.NoError(t, err)
	})
}

func (l *leasing) set(t *testing.T, path string, fields map[string]any) {
	t.Helper()
	_, err := l.vault.Logical().WriteWithContext(t.Context(), path, fields)
	require.NoError(t, err)
}

// credentials says how long those of scope last.
func (l *leasing) credentials(t *testing.T, scope secretref.Scope, ttl, longest string) {
	t.Helper()
	l.set(t, l.id+"-database/roles/"+badge.Role(scope), map[string]any{
		"db_name": "postgres", "default_ttl": ttl, "max_ttl": longest,
		"creation_statements": `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
	})
}

// credentialClass has a database's user and password as two files.
func (l *leasing) credentialClass(provider *provider, scope secretref.Scope) class {
	path := l.id + "-database/creds/" + badge.Role(scope)
	return class{provider: provider.name, scope: scope, objects: fmt.Sprintf(
		"- {path: %q, key: username, file: user}\n- {path: %q, key: password, file: password}\n", path, path)}
}

func credential(t *testing.T, v *lab.Volume) (user, password string) {
	t.Helper()
	files := contents(t, v)
	return files["user"], files["password"]
}

// TestDatabaseCredential follows one credential: it works through 20 republishes and past its first life, and ends when the pod has been
// silent for long enough and not before.
func TestDatabaseCredential(t *testing.T) {
	t.Parallel()
	const ttl, silence = 15 * time.Second, 12 * time.Second // a busy machine takes seconds too
	l := newLeasing(t, "credential")
	l.credentials(t, l.sales, "15s", "1h")
	provider := l.startProvider(t, l.config().refreshing(refresh{PodSilence: silence.String()}))
	volume := l.mount(t, l.credentialClass(provider, l.sales))
	user, password := credential(t, volume)
	require.True(t, l.database.Works(t.Context(), user, password))
	began := time.Now()
	for range 20 {
		time.Sleep(ttl / 10)
		require.NoError(t, volume.Publish(t.Context()))
		again, same := credential(t, volume)
		require.Equal(t, user, again)
		require.Equal(t, password, same)
		require.True(t, l.database.Works(t.Context(), user, password), "after %s", time.Since(began))
	}
	assert.Greater(t, time.Since(began), 3*ttl/2, "past its first life")
	assert.Contains(t, provider.scrape(t), `greentic_provider_leases 1`)
	assert.Contains(t, provider.scrape(t), `greentic_provider_lease_events_total{what="first"} 1`)
	_, list, err := get(t.Context(), provider.health+"/debug/sessions")
	require.NoError(t, err)
	assert.Contains(t, list, l.id+"-database/creds/")
	assert.NotContains(t, list, user)

	eventually(t, func() bool { return strings.Contains(provider.scrape(t), "greentic_provider_leases 0") }, "the silent pod's lease is forgotten")
	assert.True(t, l.database.Works(t.Context(), user, password), "silence takes nothing from a pod that may be running")
	eventually(t, func() bool { return !l.database.Works(t.Context(), user, password) }, "what is not renewed ends by its age")
	eventually(t, func() bool { return l.database.Users(t, "%"+user+"%") == "0" }, "Vault drops the user")
}

// TestDatabaseCredentialIsReplacedWhereRenewalEnds: the next one is there before the one before has ended.
func TestDatabaseCredentialIsReplacedWhereRenewalEnds(t *testing.T) {
	t.Parallel()
	l := newLeasing(t, "replaced")
	l.credentials(t, l.sales, "15s", "27s")
	provider := l.startProvider(t, l.config())
	volume := l.mount(t, l.credentialClass(provider, l.sales))
	user, password := credential(t, volume)
	began, next := time.Now(), user
	for next == user {
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, volume.Publish(t.Context()))
		next, _ = credential(t, volume)
		require.Less(t, time.Since(began), 27*time.Second, "it was not replaced in time")
	}
	assert.Greater(t, time.Since(began), 15*time.Second, "it was renewed first")
	assert.True(t, l.database.Works(t.Context(), user, password), "the worker has it until it reads its files again")
	again, secret := credential(t, volume)
	assert.True(t, l.database.Works(t.Context(), again, secret))
	assert.Contains(t, provider.scrape(t), `greentic_provider_lease_events_total{what="replaced"} 1`)
}

// TestLeasesAndTheEndsOfTheProvider: nothing is revoked at SIGTERM, and a provider that is started again makes each pod's credential once.
func TestLeasesAndTheEndsOfTheProvider(t *testing.T) {
	t.Parallel()
	l := newLeasing(t, "restart")
	l.credentials(t, l.sales, "1h", "2h")
	provider := l.startProvider(t, l.config())
	made := l.mount(t, l.credentialClass(provider, l.sales))
	volume := l.CachingKubelet().VolumesOf(made.Pod())[0] // a kubelet keeps a pod's token for most of its life
	require.NoError(t, volume.Publish(t.Context()))
	user, password := credential(t, volume)

	require.NoError(t, provider.Signal(syscall.SIGTERM))
	<-provider.Done()
	assert.True(t, l.database.Works(t.Context(), user, password))
	time.Sleep(time.Second) // a token's times are in whole seconds
	provider.start(t)
	require.NoError(t, volume.Publish(t.Context()))
	again, secret := credential(t, volume)
	assert.NotEqual(t, user, again)
	assert.True(t, l.database.Works(t.Context(), again, secret))
	assert.True(t, l.database.Works(t.Context(), user, password), "the one before ends by its age")
	require.NoError(t, volume.Publish(t.Context()))
	third, _ := credential(t, volume)
	assert.Equal(t, again, third)
	assert.Contains(t, provider.scrape(t), `greentic_provider_lease_events_total{what="restart"} 1`)
}

// TestLeasesThatAreRefused: nothing is made for a mount that cannot have it, and what a mount that fails had made is given back.
func TestLeasesThatAreRefused(t *testing.T) {
	t.Parallel()
	l := newLeasing(t, "refused")
	for _, scope := range []secretref.Scope{l.sales, l.support} {
		l.credentials(t, scope, "1h", "2h")
	}
	provider := l.startProvider(t, l.config())
	never := l.startProvider(t, noRepublish(l.config()))
	own, foreign := l.credentialClass(provider, l.sales), l.credentialClass(provider, l.support)
	noKey, unasked := own, own
	noKey.objects += strings.Replace(strings.SplitAfter(own.objects, "\n")[0], "key: username, file: user", "key: nothing, file: nothing", 1)
	unasked.objects = fmt.Sprintf("- {path: %q, args: {ttl: 9h}, file: user}", l.id+"-database/creds/"+badge.Role(l.sales))
	for _, row := range []struct {
		name   string
		class  class
		change func(*class)
		code   codes.Code
		says   string
	}{
		{"a role with batch tokens", foreign, nil, codes.FailedPrecondition, "the vault role gives batch tokens, which carry no lease, and nothing was issued"},
		{"a driver that never asks again", own, func(c *class) { c.provider = never.name }, codes.FailedPrecondition, "turn on the driver's rotation"},
		{"another team's path", own, func(c *class) { c.objects = foreign.objects }, codes.PermissionDenied, "is none of the raw paths that the provider's configuration grants"},
		{"Vault's own path", own, func(c *class) { c.objects = "- {path: sys/leases/lookup, file: a}" }, codes.InvalidArgument, "is Vault's own"},
		{"what may not be sent", unasked, nil, codes.PermissionDenied, `"ttl" may not be sent to`},
		{"a field that is not there", noKey, nil, codes.NotFound, `the secret has no such field: "nothing"`},
	} {
		if row.change != nil {
			row.change(&row.class)
		}
		volume := l.pod(t, row.class.scope, row.class.apply(t, l.world))
		requireRefused(t, volume.Publish(t.Context()), row.code, row.says)
		requireNothing(t, volume)
		eventually(t, func() bool { return l.database.Users(t, "v-%") == "0" }, row.name+": no credential is left")
	}
	assert.Contains(t, provider.scrape(t), `greentic_provider_leases 0`)
}

// noRepublish is c for a driver without rotation.
func noRepublish(c config) config {
	c.Refresh.NoRepublish = true
	return c
}

// TestCertificate: key, certificate and authority of one answer stay the same through republishes and are replaced by the certificate's life.
func TestCertificate(t *testing.T) {
	t.Parallel()
	const life = 30 * time.Second
	l := newLeasing(t, "certificate")
	for _, scope := range []secretref.Scope{l.sales, l.support} {
		l.set(t, l.id+"-pki/roles/"+badge.Role(scope), map[string]any{"allow_any_name": true, "max_ttl": "1h", "key_type": "ec", "key_bits": 256, "not_before_duration": "0s"})
	}
	provider := l.startProvider(t, l.config())
	for name, scope := range map[string]secretref.Scope{"on service tokens": l.sales, "on batch tokens": l.support} {
		t.Run(name, func(t *testing.T) {
			path := l.id + "-pki/issue/" + badge.Role(scope)
			objects := fmt.Sprintf("- {path: %q, key: certificate, file: ca.crt}\n", l.id+"-pki/cert/ca")
			for key, file := range map[string]string{"private_key": "tls.key", "certificate": "tls.crt", "ca_chain": "chain.crt"} {
				objects += fmt.Sprintf("- {path: %q, args: {common_name: sales.acme, ttl: %s}, key: %s, file: %s}\n", path, life, key, file)
			}
			began := time.Now()
			volume := l.mount(t, class{provider: provider.name, scope: scope, objects: objects})
			first := contents(t, volume)
			certificate := verify(t, first)
			assert.Equal(t, "sales.acme", certificate.Subject.CommonName)
			var next map[string]string
			for next = first; next["tls.crt"] == first["tls.crt"]; next = contents(t, volume) {
				require.Less(t, time.Since(began), life, "it was not replaced in time")
				require.Equal(t, first, next, "nothing of it changes alone")
				time.Sleep(200 * time.Millisecond)
				require.NoError(t, volume.Publish(t.Context()))
			}
			assert.Greater(t, time.Since(began), life/2, "by its life, not by poll")
			replaced := verify(t, next)
			assert.NotEqual(t, certificate.SerialNumber, replaced.SerialNumber)
			assert.NotEqual(t, first["tls.key"], next["tls.key"], "a key belongs to its certificate")
		})
	}
}

// verify proves that the files are of one answer.
func verify(t *testing.T, files map[string]string) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(files["tls.crt"]), []byte(files["tls.key"]))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(files["ca.crt"])))
	certificate, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	_, err = certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err)
	block, _ := pem.Decode([]byte(files["chain.crt"]))
	require.NotNil(t, block, "the chain is PEM")
	return certificate
}
