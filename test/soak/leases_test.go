package soak_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/postgres"
)

// tenant is a pod with a leased credential of a database.
type tenant struct {
	*pod
	database *postgres.Server

	user string    // that was seen last
	dark time.Time // since when its credential does not work; zero where it does
}

// longestDark is how long a credential may be without effect. One whose token was revoked under it is, until the provider asks Vault about it again.
const longestDark = 90 * time.Second

// newDatabase mounts Vault's database engine before a real PostgreSQL. A credential lives for 20 s, is renewed, and is replaced within a minute.
func (s *soak) newDatabase(t *testing.T) *postgres.Server {
	t.Helper()
	database := postgres.Start(t, s.Lab)
	for _, step := range []struct {
		path   string
		fields map[string]any
	}{
		{"sys/mounts/database", map[string]any{"type": "database"}},
		{"database/config/postgres", map[string]any{
			"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "postgres", "password": database.Password.RevealString(),
			"connection_url": database.URL,
		}},
		{"database/roles/" + badge.Role(sales), map[string]any{
			"db_name": "postgres", "default_ttl": "20s", "max_ttl": "60s",
			"creation_statements": `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
		}},
	} {
		_, err := s.root.Logical().WriteWithContext(t.Context(), step.path, step.fields)
		require.NoError(t, err)
	}
	s.canary("PostgreSQL's password", database.Password.RevealString())
	return database
}

// newTenants are pods whose credentials steady holds.
func (s *soak) newTenants(ctx context.Context, t *testing.T, database *postgres.Server) []*tenant {
	t.Helper()
	path := "database/creds/" + badge.Role(sales)
	c := class{name: "leased", badge: badge.For(badge.LayoutScope, sales)}
	require.NoError(t, s.applyClass(ctx, c, s.steady.name, sales,
		fmt.Sprintf("- {path: %q, key: username, file: user}\n- {path: %q, key: password, file: password}\n", path, path)))
	var tenants []*tenant
	for range 2 {
		p, err := s.newPod(ctx, c)
		require.NoError(t, err)
		tenant := &tenant{pod: p, database: database}
		p.watching = tenant.watch
		tenants = append(tenants, tenant)
	}
	return tenants
}

// watch logs in to the database with what the volume shows, again and again until ctx ends.
func (p *tenant) watch(ctx context.Context) {
	for wait(ctx, 10*look) == nil {
		user, password, err := p.credential()
		switch {
		case err != nil && p.complete() == nil:
			p.soak.fail("%s: %v", p.name, err)
			return
		case err != nil:
			continue
		}
		p.soak.canary("a leased password", password)
		works := p.database.Works(ctx, user, password)
		if ctx.Err() != nil {
			return
		}
		p.tried(user, works)
	}
}

// credential is the user and the password of one answer: the driver may turn over the files between the two.
func (p *tenant) credential() (user, password string, err error) {
	for {
		var texts [3][]byte
		for i, file := range []string{"user", "password", "user"} {
			if texts[i], err = p.readFile(file); err != nil {
				return "", "", err
			}
		}
		if user = string(texts[0]); user == string(texts[2]) {
			return user, string(texts[1]), nil
		}
	}
}

func (p *tenant) tried(user string, works bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there = p.started
	if user != p.user && p.user != "" {
		p.soak.count("credential replaced")
	}
	p.user = user
	if works {
		p.dark = time.Time{}
		p.soak.count("database login")
		return
	}
	if p.dark.IsZero() {
		p.dark = time.Now()
	}
	if p.soak.darkFor(time.Since(p.dark)) > longestDark {
		p.soak.fail("%s: its credential has not worked for %s", p.name, time.Since(p.dark).Round(time.Second))
	}
}

// lit is nil while the credential works.
func (p *tenant) lit(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.there || !p.dark.IsZero() {
		return fmt.Errorf("%s: its credential does not work", p.name)
	}
	return nil
}

// darkFor notes the longest time for which a credential did not work.
func (s *soak) darkFor(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.darkest = max(s.darkest, d)
	return d
}
