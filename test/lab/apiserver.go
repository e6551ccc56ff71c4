package lab

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// serviceAccountIssuer is the "iss" of the cluster's ServiceAccount tokens, and their audience where none is asked for.
const serviceAccountIssuer = "https://kubernetes.default.svc"

// The users of the API server, told apart in its audit log. The driver is the ServiceAccount that its chart makes.
const (
	adminUser  = "lab-admin"
	nodeUser   = "system:node:" + nodeName
	driverUser = "system:serviceaccount:kube-system:secrets-store-csi-driver"
)

// auditPolicy logs who asked for what, once for each request, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// apiSecrets are the bearer tokens of the three users.
type apiSecrets struct{ admin, node, driver string }

// prepareAPIServer writes what the API server reads: the key that signs ServiceAccount tokens, the users, the audit policy.
func (l *Lab) prepareAPIServer() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048) // what kubeadm makes, and what Vault's jwt method expects unless told otherwise
	if err != nil {
		return fmt.Errorf("making the key of ServiceAccount tokens: %w", err)
	}
	l.signingKey = key
	l.secrets = apiSecrets{admin: rand.Text(), node: rand.Text(), driver: rand.Text()}
	users := strings.Join([]string{
		l.secrets.admin + "," + adminUser + ",1,system:masters",
		l.secrets.node + "," + nodeUser + ",2,system:nodes",
		l.secrets.driver + "," + driverUser + `,3,"system:serviceaccounts,system:serviceaccounts:kube-system"`,
	}, "\n")
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	public, err := l.ServiceAccountPublicKeyPEM()
	l.apiserver = &server{group: l.group, name: "apiserver", command: l.apiserverCommand, ready: l.apiserverReady}
	return errors.Join(err,
		os.WriteFile(l.path("apiserver", "sa.key"), private, 0o600),
		os.WriteFile(l.path("apiserver", "sa.pub"), public, 0o600),
		os.WriteFile(l.path("apiserver", "users.csv"), []byte(users+"\n"), 0o600),
		os.WriteFile(l.path("apiserver", "audit-policy.yaml"), []byte(auditPolicy), 0o600),
	)
}

// ServiceAccountPublicKeyPEM is the public half of the key that signs the cluster's ServiceAccount tokens, for Vault's jwt method.
func (l *Lab) ServiceAccountPublicKeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&l.signingKey.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key of ServiceAccount tokens: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func (l *Lab) apiserverCommand() *exec.Cmd {
	args := []string{
		"--etcd-servers=http://" + loopback(l.ports.etcd),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(l.ports.apiserver),
		"--cert-dir=" + l.path("apiserver"),
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--token-auth-file=" + l.path("apiserver", "users.csv"),
		"--authorization-mode=RBAC",
		// No controller-manager makes the ServiceAccount "default" of each namespace, without which that plugin refuses every pod.
		"--disable-admission-plugins=ServiceAccount",
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-signing-key-file=" + l.path("apiserver", "sa.key"),
		"--service-account-key-file=" + l.path("apiserver", "sa.pub"),
		"--audit-policy-file=" + l.path("apiserver", "audit-policy.yaml"),
		"--audit-log-path=" + l.apiAuditLog(), "--audit-log-mode=blocking-strict",
		"--audit-log-maxsize=10000", // megabytes: it is read by offset, so it must not rotate
	}
	if l.options.Verbose {
		args = append(args, "-v=5")
	}
	return exec.Command(l.programs.apiserver.Path, args...)
}

func (l *Lab) apiserverReady(ctx context.Context) error {
	return getOK(ctx, plainHTTP, l.KubernetesHost()+"/readyz", "gtc-lab")
}

// StartAPIServer starts the API server after StopAPIServer, at the same place with the same objects, and waits until it is ready.
func (l *Lab) StartAPIServer(ctx context.Context) error {
	if err := l.apiserver.start(ctx); err != nil {
		return err
	}
	if l.clients.admin != nil {
		return nil
	}
	return l.connect()
}

// StopAPIServer ends the API server at once, as a crash would: in order, it would wait a minute for the watches of its clients.
func (l *Lab) StopAPIServer() { l.apiserver.kill() }

// connect makes the lab's clients, once the server has made its certificate.
func (l *Lab) connect() error {
	ca, err := l.KubernetesCA()
	if err != nil {
		return err
	}
	config := func(token, agent string) *rest.Config {
		return &rest.Config{
			Host: l.KubernetesHost(), BearerToken: token, UserAgent: agent,
			TLSClientConfig: rest.TLSClientConfig{CAData: ca},
			QPS:             -1, // no limit: a lab's subject is not its own client
		}
	}
	c := &l.clients
	c.admin, c.kubelet = config(l.secrets.admin, "gtc-lab"), config(l.secrets.node, "kubelet/gtc-lab")
	var errs [3]error
	c.clientset, errs[0] = kubernetes.NewForConfig(c.admin)
	c.nodeset, errs[1] = kubernetes.NewForConfig(c.kubelet)
	c.dynamic, errs[2] = dynamic.NewForConfig(c.admin)
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("making the lab's Kubernetes clients: %w", err)
	}
	c.mapper = newMapper(c.clientset.Discovery())
	return errors.Join(l.writeKubeconfig(l.Kubeconfig(), l.secrets.admin, ca), l.writeKubeconfig(l.path("driver", "kubeconfig"), l.secrets.driver, ca))
}

func (l *Lab) writeKubeconfig(path, token string, ca []byte) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: l.KubernetesHost(), CertificateAuthorityData: ca}
	config.AuthInfos["lab"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: "lab"}
	config.CurrentContext = "lab"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}

// KubernetesHost is the API server's URL.
func (l *Lab) KubernetesHost() string { return "https://" + loopback(l.ports.apiserver) }

// KubernetesCA is the PEM of what the API server's certificate is verified with.
func (l *Lab) KubernetesCA() ([]byte, error) {
	ca, err := os.ReadFile(l.path("apiserver", "apiserver.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the API server's certificate: %w", err)
	}
	return ca, nil
}

// Kubeconfig is a file for programs that take one: the cluster's administrator.
func (l *Lab) Kubeconfig() string { return l.path("kubeconfig") }

// RESTConfig is a copy of the administrator's configuration, without a limit on requests.
func (l *Lab) RESTConfig() *rest.Config { return rest.CopyConfig(l.clients.admin) }

// Clientset is the administrator's.
func (l *Lab) Clientset() *kubernetes.Clientset { return l.clients.clientset }

// Dynamic is the administrator's client for objects of any kind.
func (l *Lab) Dynamic() *dynamic.DynamicClient { return l.clients.dynamic }
