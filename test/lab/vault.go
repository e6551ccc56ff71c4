package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	vaultapi "github.com/hashicorp/vault/api"

	"github.com/greenticai/gtc-csi-provider/test/certificate"
)

// prepareVault makes Vault's certificate, if it is to have one.
func (l *Lab) prepareVault() error {
	l.vault = &server{group: l.group, name: "vault", command: l.vaultCommand, ready: func(ctx context.Context) error {
		return getOK(ctx, plainHTTP, l.VaultAddr()+"/v1/sys/health", "gtc-lab")
	}}
	if !l.options.VaultTLS {
		return nil
	}
	cert, err := certificate.New("gtc-lab vault", "127.0.0.1", "localhost")
	if err != nil {
		return err
	}
	l.vaultCert = cert
	return errors.Join(
		os.WriteFile(l.path("vault", "tls.crt"), cert.Cert, 0o600),
		os.WriteFile(l.path("vault", "tls.key"), cert.Key, 0o600),
		os.WriteFile(l.path("vault", "ca.crt"), cert.CA, 0o600),
	)
}

func (l *Lab) vaultCommand() *exec.Cmd {
	args := []string{"-dir=" + l.path("vault"), "-listen=" + loopback(l.ports.vault)}
	if l.options.VaultTLS {
		args = append(args, "-tls-cert="+l.path("vault", "tls.crt"), "-tls-key="+l.path("vault", "tls.key"))
	}
	if l.options.Verbose {
		args = append(args, "-log-level=trace")
	}
	return exec.Command(l.programs.vault.Path, args...)
}

// StartVault starts Vault, or starts it again after StopVault: same address, same storage, unsealed. It returns when it serves.
func (l *Lab) StartVault(ctx context.Context) error {
	if err := l.vault.start(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(l.vaultAuditLog()); err == nil {
		return nil // a restarted Vault knows its audit devices
	}
	client, err := l.VaultClient()
	if err != nil {
		return err
	}
	options := &vaultapi.EnableAuditOptions{Type: "file", Options: map[string]string{"file_path": l.vaultAuditLog(), "log_raw": "false"}}
	if err := client.Sys().EnableAuditWithOptionsWithContext(ctx, "file", options); err != nil {
		return fmt.Errorf("enabling vault's audit log: %w", err)
	}
	return nil
}

// StopVault ends Vault in order. Its storage stays.
func (l *Lab) StopVault(ctx context.Context) error { return l.vault.stop(ctx) }

// KillVault ends Vault at once, as the kernel would for lack of memory. Its storage stays.
func (l *Lab) KillVault() { l.vault.kill() }

// RestartVault is StopVault and StartVault.
func (l *Lab) RestartVault(ctx context.Context) error {
	if err := l.StopVault(ctx); err != nil {
		return err
	}
	return l.StartVault(ctx)
}

// PauseVault makes Vault hang: connections are taken, and nothing answers until ResumeVault.
func (l *Lab) PauseVault() error { return l.vault.pause() }

// ResumeVault ends PauseVault.
func (l *Lab) ResumeVault() error { return l.vault.resume() }

// SealVault seals Vault: it answers 503 to all until UnsealVault.
func (l *Lab) SealVault(ctx context.Context) error {
	client, err := l.VaultClient()
	if err != nil {
		return err
	}
	if err := client.Sys().SealWithContext(ctx); err != nil {
		return fmt.Errorf("sealing vault: %w", err)
	}
	return nil
}

// UnsealVault ends SealVault and returns when Vault serves again.
func (l *Lab) UnsealVault(ctx context.Context) error {
	client, err := l.VaultClient()
	if err != nil {
		return err
	}
	key, err := os.ReadFile(l.path("vault", "init.unseal"))
	if err != nil {
		return fmt.Errorf("reading vault's unseal key: %w", err)
	}
	if _, err := client.Sys().UnsealWithContext(ctx, strings.TrimSpace(string(key))); err != nil {
		return fmt.Errorf("unsealing vault: %w", err)
	}
	l.vault.mu.Lock()
	defer l.vault.mu.Unlock()
	return await(ctx, l.vault.process, l.vault.ready)
}

// VaultAddr is Vault's URL.
func (l *Lab) VaultAddr() string {
	if l.options.VaultTLS {
		return "https://" + loopback(l.ports.vault)
	}
	return "http://" + loopback(l.ports.vault)
}

// VaultCAPEM verifies Vault's certificate. It is nil without Options.VaultTLS.
func (l *Lab) VaultCAPEM() []byte { return l.vaultCert.CA }

// VaultToken is Vault's root token.
func (l *Lab) VaultToken() (string, error) {
	token, err := os.ReadFile(l.path("vault", "init.token"))
	if err != nil {
		return "", fmt.Errorf("reading vault's root token: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}

// VaultClient is a client of its own with the root token, blind to VAULT_* in the environment.
func (l *Lab) VaultClient() (*vaultapi.Client, error) {
	token, err := l.VaultToken()
	if err != nil {
		return nil, err
	}
	config := vaultapi.DefaultConfig()
	if config.Error != nil {
		return nil, fmt.Errorf("making a vault client: %w", config.Error)
	}
	config.Address, config.AgentAddress = l.VaultAddr(), ""
	config.MaxRetries = 0
	if err := config.ConfigureTLS(&vaultapi.TLSConfig{CACertBytes: l.VaultCAPEM()}); err != nil {
		return nil, fmt.Errorf("making a vault client: %w", err)
	}
	client, err := vaultapi.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("making a vault client: %w", err)
	}
	client.ClearNamespace()
	client.SetToken(token)
	return client, nil
}

// EnableKubernetesAuth enables Vault's kubernetes method at mount, asking this lab's API server who a token is.
func (l *Lab) EnableKubernetesAuth(ctx context.Context, mount string) error {
	ca, err := l.KubernetesCA()
	if err != nil {
		return err
	}
	return l.enableAuth(ctx, mount, "kubernetes", map[string]any{
		"kubernetes_host": l.KubernetesHost(), "kubernetes_ca_cert": string(ca),
		"token_reviewer_jwt": l.ReviewerToken(), "disable_local_ca_jwt": true,
	})
}

// EnableJWTAuth enables Vault's jwt method at mount, verifying tokens by the public key of this lab's API server.
func (l *Lab) EnableJWTAuth(ctx context.Context, mount string) error {
	public, err := l.ServiceAccountPublicKeyPEM()
	if err != nil {
		return err
	}
	return l.enableAuth(ctx, mount, "jwt", map[string]any{
		"jwt_validation_pubkeys": []string{string(public)}, "bound_issuer": serviceAccountIssuer,
	})
}

func (l *Lab) enableAuth(ctx context.Context, mount, method string, config map[string]any) error {
	client, err := l.VaultClient()
	if err != nil {
		return err
	}
	if err := client.Sys().EnableAuthWithOptionsWithContext(ctx, mount, &vaultapi.EnableAuthOptions{Type: method}); err != nil {
		return fmt.Errorf("enabling vault's %s method at %q: %w", method, mount, err)
	}
	if _, err := client.Logical().WriteWithContext(ctx, "auth/"+mount+"/config", config); err != nil {
		return fmt.Errorf("configuring vault's %s method at %q: %w", method, mount, err)
	}
	return nil
}
