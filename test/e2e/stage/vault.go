package stage

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	vaultapi "github.com/hashicorp/vault/api"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/certificate"
)

//go:embed vault.yaml
var vaultYAML string

// Where Vault is.
const (
	VaultNamespace = "vault"
	VaultAddress   = "https://vault.vault.svc:8200" // for pods
	vaultFolder    = "/var/lib/gtc-e2e/vault"       // on the node
	auditLog       = "/vault/audit.log"             // in the pod
	vaultTLS       = "vault-tls"                    // the Secret with its certificate
)

// Vault is the cluster's Vault: the lab's program in an image of its own, with TLS, and storage on the node that outlives its pod.
type Vault struct {
	stage  *Stage
	host   string // the node's address
	port   int32
	ca     []byte
	caFile string
}

func (s *Stage) startVault(ctx context.Context) error {
	s.Vault = &Vault{stage: s}
	if err := s.ApplyYAML(ctx, []byte("{apiVersion: v1, kind: Namespace, metadata: {name: vault}}")); err != nil {
		return err
	}
	if err := s.Vault.find(ctx); err != nil {
		return err
	}
	if err := s.Vault.certificate(ctx); err != nil {
		return err
	}
	if err := s.ApplyYAML(ctx, []byte(strings.ReplaceAll(vaultYAML, "IMAGE", s.Images.Vault))); err != nil {
		return err
	}
	if _, err := Await(ctx, s.Deployments(), VaultNamespace, "vault", Available); err != nil {
		return err
	}
	service, err := s.Kube.CoreV1().Services(VaultNamespace).Get(ctx, "vault", metav1.GetOptions{})
	if err != nil {
		return err
	}
	s.Vault.port = service.Spec.Ports[0].NodePort
	return s.Vault.enableAudit(ctx)
}

// find finds the node's address.
func (v *Vault) find(ctx context.Context) error {
	node, err := v.stage.Kube.CoreV1().Nodes().Get(ctx, v.stage.Cluster.Node().Name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			v.host = address.Address
			return nil
		}
	}
	return errors.New("the node has no address")
}

// addresses are those that the node may have: a container that is restarted gets the first one that is free.
func (v *Vault) addresses() []string {
	hosts := []string{v.host}
	address, err := netip.ParseAddr(v.host)
	if err != nil || !address.Is4() {
		return hosts
	}
	const some = 16
	network := address.As4()
	for network[3] = range byte(some) {
		hosts = append(hosts, netip.AddrFrom4(network).String())
	}
	return hosts
}

// certificate makes Vault's certificate, or takes up the one that a cluster has that was left up.
func (v *Vault) certificate(ctx context.Context) error {
	secrets := v.stage.Kube.CoreV1().Secrets(VaultNamespace)
	stored, err := secrets.Get(ctx, vaultTLS, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		pair, err := certificate.New("gtc-e2e vault", append(v.addresses(), "vault.vault.svc")...)
		if err != nil {
			return err
		}
		stored = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: vaultTLS, Namespace: VaultNamespace},
			Data:       map[string][]byte{"ca.crt": pair.CA, "tls.crt": pair.Cert, "tls.key": pair.Key},
		}
		if _, err := secrets.Create(ctx, stored, metav1.CreateOptions{}); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	v.ca = stored.Data["ca.crt"]
	v.caFile, err = v.stage.Write("vault-ca.pem", v.ca)
	return err
}

func (v *Vault) enableAudit(ctx context.Context) error {
	client, err := v.Client(ctx)
	if err != nil {
		return err
	}
	devices, err := client.Sys().ListAuditWithContext(ctx)
	if err != nil || devices["file/"] != nil {
		return err
	}
	options := &vaultapi.EnableAuditOptions{Type: "file", Options: map[string]string{"file_path": auditLog}}
	return client.Sys().EnableAuditWithOptionsWithContext(ctx, "file", options)
}

// Address is Vault's URL for this machine: a port of the node.
func (v *Vault) Address() string {
	return "https://" + net.JoinHostPort(v.host, strconv.Itoa(int(v.port)))
}

// CA verifies Vault's certificate, in PEM.
func (v *Vault) CA() string { return string(v.ca) }

// Token is Vault's root token: the operator's.
func (v *Vault) Token(ctx context.Context) (string, error) { return v.file(ctx, "init.token") }

// Audit is Vault's audit log so far: one JSON object a line.
func (v *Vault) Audit(ctx context.Context) (string, error) { return v.file(ctx, "audit.log") }

func (v *Vault) file(ctx context.Context, name string) (string, error) {
	content, err := v.stage.Cluster.Node().Exec(ctx, "cat", vaultFolder+"/"+name)
	if err != nil {
		return "", fmt.Errorf("reading vault's %s: %w", name, err)
	}
	return strings.TrimSpace(string(content)), nil
}

// Client is a client of its own with the root token, blind to VAULT_* in the environment.
func (v *Vault) Client(ctx context.Context) (*vaultapi.Client, error) {
	token, err := v.Token(ctx)
	if err != nil {
		return nil, err
	}
	config := vaultapi.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	config.Address, config.AgentAddress = v.Address(), ""
	if err := config.ConfigureTLS(&vaultapi.TLSConfig{CACertBytes: v.ca}); err != nil {
		return nil, err
	}
	client, err := vaultapi.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.ClearNamespace()
	client.SetToken(token)
	return client, nil
}

// Seal seals Vault: it answers 503 to all until Unseal.
func (v *Vault) Seal(ctx context.Context) error {
	client, err := v.Client(ctx)
	if err != nil {
		return err
	}
	return client.Sys().SealWithContext(ctx)
}

// Unseal ends Seal.
func (v *Vault) Unseal(ctx context.Context) error {
	client, err := v.Client(ctx)
	if err != nil {
		return err
	}
	key, err := v.file(ctx, "init.unseal")
	if err != nil {
		return err
	}
	_, err = client.Sys().UnsealWithContext(ctx, key)
	return err
}
