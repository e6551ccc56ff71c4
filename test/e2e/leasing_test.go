//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// How long a credential of suites 13 and 16 and the token that it hangs on last, unless they are renewed. Both are renewed at two thirds of it.
const (
	leaseTTL    = 90 * time.Second
	tokenPeriod = 2 * time.Minute
)

// leasing is a team whose pod has a database's credential.
type leasing struct {
	*environment
	database *stage.Postgres
	badge    badge.Badge
}

// credential is what a pod has of a database.
type credential struct{ user, password string }

// leasing makes a database, Vault's engine before it, a role of the engine's for the team, and the team's own by the provider's configuration.
func (s *story) leasing(t *testing.T) *leasing {
	t.Helper()
	namespace := s.id("-database")
	s.applyTyped(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	database, err := s.StartPostgres(long(t), namespace)
	require.NoError(t, err)
	l := &leasing{environment: s.environment(t, s.id(""), nil, "leased/slack/bot_token"), database: database}
	scope := l.scope(t, "leased")

	configuration, err := s.Configuration(t.Context())
	require.NoError(t, err)
	file, err := s.Write(l.id+"/provider.yaml", configuration)
	require.NoError(t, err)
	l.wire(t, "--provider-config", file)
	l.engine(t)
	// The operator's wiring says 20 minutes. Nobody waits that long here.
	l.set(t, "auth/"+l.mount+"/role/"+badge.Role(scope), map[string]any{"token_period": tokenPeriod.String()})

	l.badge = badge.For(badge.LayoutScope, scope)
	s.wear(t, l.badge)
	path := "database/creds/" + badge.Role(scope)
	s.applyTyped(t, class(l.badge.Namespace, "database", map[string]string{"scope": scope.String(), "objects": objects(
		fmt.Sprintf("{path: %s, key: username, file: db/user}", path), fmt.Sprintf("{path: %s, key: password, file: db/password}", path),
	)}))
	return l
}

// holder starts a pod that has a credential, which suite 11 is to look for.
func (l *leasing) holder(t *testing.T, name string) (*corev1.Pod, credential) {
	t.Helper()
	s := l.story
	pod := s.start(t, s.reader(l.badge, name, volume{class: "database", files: []string{"db/user", "db/password"}}))
	made := l.credential(t, pod)
	harness.canaries.mu.Lock()
	defer harness.canaries.mu.Unlock()
	require.NoError(t, harness.canaries.hidden.Add(s.id(" database of "+name), made.password))
	return pod, made
}

// engine mounts Vault's database engine, until the test's end.
func (l *leasing) engine(t *testing.T) {
	t.Helper()
	l.unmount(soon(t), t) // what a run has left that was ended
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		l.unmount(ctx, t)
	})
	l.set(t, "sys/mounts/database", map[string]any{"type": "database"})
	l.set(t, "database/config/postgres", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": l.database.URL(),
		"username": "postgres", "password": l.database.Password(),
	})
	l.set(t, "database/roles/"+badge.Role(l.scope(t, "leased")), map[string]any{
		"db_name": "postgres", "default_ttl": leaseTTL.String(), "max_ttl": "1h",
		"creation_statements": `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
	})
}

// unmount takes the engine away, also where its database is gone already.
func (l *leasing) unmount(ctx context.Context, t *testing.T) {
	t.Helper()
	client, err := l.story.Vault.Client(ctx)
	require.NoError(t, err)
	mounts, err := client.Sys().ListMountsWithContext(ctx)
	require.NoError(t, err)
	if mounts["database/"] == nil {
		return
	}
	_, err = client.Logical().WriteWithContext(ctx, "sys/leases/revoke-force/database", nil)
	require.NoError(t, err)
	require.NoError(t, client.Sys().UnmountWithContext(ctx, "database"))
}

// set writes to Vault as its operator.
func (l *leasing) set(t *testing.T, path string, fields map[string]any) {
	t.Helper()
	client, err := l.story.Vault.Client(soon(t))
	require.NoError(t, err)
	_, err = client.Logical().WriteWithContext(soon(t), path, fields)
	require.NoError(t, err)
}

// credential is what the node has in the pod's volume. The pod tells the same of it, and the database lets it in.
func (l *leasing) credential(t *testing.T, pod *corev1.Pod) credential {
	t.Helper()
	mounts := l.story.mounted(t, pod.UID)
	require.Len(t, mounts, 1)
	file := func(name string) string {
		content, err := l.story.Cluster.Node().Exec(t.Context(), "cat", mounts[0]+"/..data/"+name)
		require.NoError(t, err)
		return string(content)
	}
	c := credential{user: file("db/user"), password: file("db/password")}
	require.Equal(t, map[string]string{"db/user": digest(c.user), "db/password": digest(c.password)}, l.story.told(t, pod, 0))
	require.True(t, l.isGood(t, c), "the database refuses the pod's credential")
	return c
}

// isGood reports whether the database lets a credential in.
func (l *leasing) isGood(t *testing.T, c credential) (good bool) {
	t.Helper()
	l.story.eventually(t, "the database's word", func(ctx context.Context) (err error) {
		good, err = l.database.LetsIn(ctx, c.user, c.password)
		return err
	})
	return good
}
