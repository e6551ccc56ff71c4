package stage

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"net/url"
	"strings"
)

//go:embed postgres.yaml
var postgresYAML string

// Postgres is a PostgreSQL in the cluster, which nothing but its pod keeps.
type Postgres struct {
	stage     *Stage
	namespace string
	password  string // of its superuser, postgres
}

// StartPostgres starts one in a namespace that is there. Its image is made of this machine's own PostgreSQL.
func (s *Stage) StartPostgres(ctx context.Context, namespace string) (*Postgres, error) {
	image, err := s.postgresImage(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Cluster.Load(ctx, image); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("IMAGE", image, "NAMESPACE", namespace).Replace(postgresYAML)
	if err := s.ApplyYAML(ctx, []byte(text)); err != nil {
		return nil, err
	}
	if _, err := Await(ctx, s.Pods(), namespace, "postgres", Ready); err != nil {
		return nil, err
	}
	p := &Postgres{stage: s, namespace: namespace, password: rand.Text()}
	_, err = p.run(ctx, "host=/tmp user=postgres dbname=postgres", fmt.Sprintf("ALTER ROLE postgres PASSWORD '%s'", p.password))
	return p, err
}

// Password is its superuser's, who is called postgres.
func (p *Postgres) Password() string { return p.password }

// URL is where Vault finds it, with places for the user and the password, as Vault's engine has them.
func (p *Postgres) URL() string {
	return fmt.Sprintf("postgresql://{{username}}:{{password}}@postgres.%s.svc:5432/postgres?sslmode=disable", p.namespace)
}

// Query is what a statement of the superuser answers.
func (p *Postgres) Query(ctx context.Context, statement string) (string, error) {
	return p.as(ctx, "postgres", p.password, statement)
}

// LetsIn reports whether a user's name and password are good. An error says that it could not be found out.
func (p *Postgres) LetsIn(ctx context.Context, user, password string) (bool, error) {
	who, err := p.as(ctx, user, password, "SELECT current_user")
	if err != nil && strings.Contains(err.Error(), "password authentication failed") { // also where there is no such user
		return false, nil
	}
	return who == user, err
}

// as logs in by the pod's network, where the password counts.
func (p *Postgres) as(ctx context.Context, user, password, statement string) (string, error) {
	at := url.URL{Scheme: "postgresql", User: url.UserPassword(user, password), Host: "127.0.0.1:5432", Path: "/postgres"}
	return p.run(ctx, at.String(), statement)
}

func (p *Postgres) run(ctx context.Context, connection, statement string) (string, error) {
	out, err := p.stage.Cluster.Node().Exec(ctx, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace="+p.namespace, "exec", "postgres", "--",
		"psql", "--no-psqlrc", "--tuples-only", "--no-align", "--no-password", "--dbname="+connection, "--command="+statement)
	if err != nil {
		return "", fmt.Errorf("asking the database: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
