//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// How long suite 13's credential and the token that it hangs on last, unless they are renewed. Both are renewed at two thirds of it.
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

// playLease follows a database's credential: made once for its pod, the same and good for as long as its kubelet speaks of the pod, past its first life,
// and ended by itself some time after the pod.
func playLease(t *testing.T) {
	s := begin(t, 13, "a database's credential outlives its first life while its pod runs, and ends after the pod")
	l := s.leasing(t)
	pod := s.start(t, s.reader(l.badge, "worker", volume{class: "database", files: []string{"db/user", "db/password"}}))
	made := l.credential(t, pod)
	harness.canaries.mu.Lock()
	err := harness.canaries.hidden.Add(s.id(" database"), made.password)
	harness.canaries.mu.Unlock()
	require.NoError(t, err)
	t.Run("it outlives its first life", func(t *testing.T) { l.outlives(t, pod, made) })
	t.Run("it ends after the pod", func(t *testing.T) { l.endsAfter(t, pod, made) })
}

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

// outlives has the driver ask for the volume again and again, until the credential must have been renewed to be good still.
func (l *leasing) outlives(t *testing.T, pod *corev1.Pod, made credential) {
	began, asked := time.Now(), 0
	for ; time.Since(began) < leaseTTL+5*time.Second || asked < 5; asked++ {
		l.story.heardAgain(t, pod)
		require.Equal(t, made, l.credential(t, pod), "another one")
		// What changes next comes with time alone.
		time.Sleep(5 * time.Second)
	}
	assert.Equal(t, 1, l.story.asked(t, pod, "database/creds/"), "credentials that Vault has made for the pod")
	l.story.measure("a credential of %.0f s is good after %.0f s, and the same in %d answers", leaseTTL.Seconds(), time.Since(began).Seconds(), asked)
}

// endsAfter deletes the pod. Nobody tells the provider: it gives the pod up when it has not heard of it for long enough, takes nothing away, and
// what nobody renews ends at Vault, and so in the database.
func (l *leasing) endsAfter(t *testing.T, pod *corev1.Pod, made credential) {
	s := l.story
	before := s.silent(t)
	require.NoError(t, s.Kube.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	require.NoError(t, stage.AwaitGone(soon(t), s.Pods(), pod.Namespace, pod.Name))
	began := time.Now()
	for silent := false; !silent; time.Sleep(time.Second) {
		require.Less(t, time.Since(began), stage.PodSilence+patience, "the provider does not give the pod up")
		good := l.isGood(t, made)
		silent = s.silent(t) > before
		require.True(t, good || silent, "the credential has ended before the provider has given the pod up")
	}
	silence := time.Since(began)
	s.eventually(t, "the credential's end", func(ctx context.Context) error {
		count, err := l.database.Query(ctx, fmt.Sprintf("SELECT count(*) FROM pg_roles WHERE rolname = '%s'", made.user))
		if err == nil && count != "0" {
			err = fmt.Errorf("the database has %s such user", count)
		}
		return err
	})
	assert.False(t, l.isGood(t, made))
	assert.Zero(t, s.asked(t, pod, "sys/leases/revoke"), "revocations for the pod")
	s.measure("after its pod's end it is renewed for %.0f s more (podSilence %s), and has ended after %.0f s", silence.Seconds(), stage.PodSilence,
		time.Since(began).Seconds())
}

// silent is how many leases the provider has given up because it did not hear of their pods.
func (s *story) silent(t *testing.T) int {
	t.Helper()
	return s.metric(t, `greentic_provider_lease_events_total{what="silent"}`)
}
