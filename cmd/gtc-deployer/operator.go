package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Bounds of the files that the operator's own settings name, in bytes.
const (
	maxToken = 64 << 10
	maxPEM   = 1 << 20
)

func vaultAddressFlag(cmd *cobra.Command, address *string) {
	cmd.Flags().StringVar(address, "vault-addr", "",
		"Vault's `URL` (default: VAULT_ADDR, then addr in the environment's secrets slot)")
}

// connectionHelp is the part of a command's help that says whose token it uses.
const connectionHelp = "Vault is asked with your own token, from VAULT_TOKEN or ~/.vault-token, which is never stored.\n" +
	"VAULT_CACERT names the PEM file of the authority to trust."

// connect is the operator's connection to env's Vault. What the shell says (VAULT_ADDR, VAULT_TOKEN, VAULT_CACERT, VAULT_NAMESPACE) is
// read here and nowhere else.
func connect(env environment.Environment, address string, stderr io.Writer) (*operator.Vault, error) {
	o := operator.Options{Address: env.Vault.Address, Namespace: env.Vault.Namespace}
	var faults []error
	switch ambient := os.Getenv("VAULT_ADDR"); {
	case address != "":
		o.Address = address
	case ambient != "":
		o.Address = ambient
	}
	// A namespace that was forgotten in one of the two places would send the secrets to the wrong half of Vault.
	if ambient := os.Getenv("VAULT_NAMESPACE"); ambient != "" && strings.Trim(ambient, "/") != strings.Trim(o.Namespace, "/") {
		faults = append(faults, fmt.Errorf("VAULT_NAMESPACE: it is %q and the environment's namespace is %q: unset it, or correct the environment",
			ambient, o.Namespace))
	}
	var err error
	if o.Token, err = operatorToken(); err != nil {
		faults = append(faults, err)
	}
	if path := os.Getenv("VAULT_CACERT"); path != "" {
		if o.CACert, err = readFile("VAULT_CACERT", path, maxPEM); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, badInput(errors.Join(faults...))
	}
	v, err := operator.Connect(o)
	if err != nil {
		return nil, badInput(err)
	}
	if o.Address != env.Vault.Address {
		fmt.Fprintf(stderr, "note: using Vault at %s, where the environment says %q\n", v.Address(), env.Vault.Address)
	}
	if v.InClear() {
		fmt.Fprintf(stderr, "note: %s is not https: your token and everything written travel readable\n", v.Address())
	}
	return v, nil
}

// operatorToken is the token of whoever runs the command; empty if there is none.
func operatorToken() (secret.Value, error) {
	if token := os.Getenv("VAULT_TOKEN"); token != "" {
		return secret.NewString(token), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return secret.Value{}, nil //nolint:nilerr // no home, no token file: the connection says what is missing
	}
	token, err := readFile("token", filepath.Join(home, ".vault-token"), maxToken)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Value{}, nil
	}
	return secret.New(bytes.TrimSpace(token)), err
}
