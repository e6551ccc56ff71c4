// Package stage is where a bench run plays: the lab with a Vault that the product's own deployer has wired for one scope,
// with the secrets that the pods read, and the pods themselves, each with a fresh token.
package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// Audience is that of the pods' tokens.
const Audience = "vault"

// Kind is how a secret is stored.
type Kind string

// The kinds.
const (
	Plain   Kind = "plain KV" // a field "value" in KV v2
	Records Kind = "records"  // Greentic's, whose data keys Vault's transit engine unwraps
)

// category is the part of a reference that keeps the kinds apart.
func (k Kind) category() string {
	if k == Plain {
		return "plain"
	}
	return "records"
}

// SecretsPerPod is how many distinct secrets a pod reads. No two pods of a batch read the same.
const SecretsPerPod = 3

// Stage is a lab, made ready.
type Stage struct {
	lab   *lab.Lab
	dir   string
	scope secretref.Scope
	badge badge.Badge
	pods  int // whose secrets there are
	made  atomic.Int64
}

// Set starts the lab and makes everything ready for up to pods pods at once. Programs is the folder of the product's
// programs. Progress hears what takes long.
func Set(ctx context.Context, programs string, pods int, progress io.Writer) (*Stage, error) {
	scope, err := secretref.ParseScope("prod/acme/sales")
	if err != nil {
		return nil, err
	}
	l, err := lab.Start(ctx, lab.Options{Progress: progress})
	if err != nil {
		return nil, err
	}
	s := &Stage{lab: l, dir: filepath.Join(l.Dir(), "bench"), scope: scope, badge: badge.For(badge.LayoutScope, scope), pods: pods}
	if err := s.prepare(ctx, programs); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

func (s *Stage) prepare(ctx context.Context, programs string) error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the stage's folder: %w", err)
	}
	if err := s.makeBadge(ctx); err != nil {
		return err
	}
	d := deployer{program: filepath.Join(programs, "gtc-deployer"), stage: s}
	if err := d.wire(ctx); err != nil {
		return err
	}
	return errors.Join(d.importRecords(ctx), s.writePlain(ctx))
}

func (s *Stage) makeBadge(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.badge.Namespace}}
	if _, err := s.lab.Clientset().CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making the badge's namespace: %w", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.badge.Namespace, Name: s.badge.ServiceAccount}}
	if _, err := s.lab.Clientset().CoreV1().ServiceAccounts(s.badge.Namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making the badge's ServiceAccount: %w", err)
	}
	return nil
}

// Path is a file of the stage's own folder, which is gone when the lab ends.
func (s *Stage) Path(name string) string { return filepath.Join(s.dir, name) }

// VaultAddress is Vault's URL.
func (s *Stage) VaultAddress() string { return s.lab.VaultAddr() }

// Versions are those of the lab's servers.
func (s *Stage) Versions() map[string]string {
	v := s.lab.Versions()
	return map[string]string{"etcd": v.Etcd, "kubernetes": v.Kubernetes, "vault": v.Vault, "driver": v.Driver}
}

// ShortRefresh is the least refresh interval that a class may have, so that nobody has to wait long for a refresh that is due.
const ShortRefresh = time.Second

// ProviderConfig is the provider's configuration for this Vault, in which a pod is forgotten that is not heard of for so long.
func (s *Stage) ProviderConfig(podSilence time.Duration) string {
	return fmt.Sprintf(`apiVersion: greentic.ai/v1alpha1
kind: ProviderConfig
vaults:
- name: default
  addresses: [%s]
  authMethod: kubernetes
  audience: %s
refresh:
  minimum: %s
  podSilence: %s
`, s.lab.VaultAddr(), Audience, ShortRefresh, podSilence)
}

// Close ends the lab.
func (s *Stage) Close() error { return s.lab.Close() }
