package stage

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Deployer runs the product's own gtc-deployer on this machine as an operator would: with the operator's token, and Vault at the node's
// address. What it prints on stdout is returned; a failure's text is what it printed on stderr.
func (s *Stage) Deployer(ctx context.Context, stdin []byte, args ...string) (string, error) {
	token, err := s.Vault.Token(ctx)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, s.program("gtc-deployer"), args...)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir,
		"VAULT_ADDR=" + s.Vault.Address(), "VAULT_CACERT=" + s.Vault.caFile, "VAULT_TOKEN=" + token,
	}
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("gtc-deployer %q: %w: %s%s", args, err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
