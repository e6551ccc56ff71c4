// Command gtc-deployer turns a Greentic environment into Kubernetes manifests that hold badges instead of secrets, makes Vault ready for
// them, and brings secrets into Vault.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	// Images hold no certificates: where the system has none, Mozilla's are trusted.
	_ "golang.org/x/crypto/x509roots/fallback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		// A joined error is one fault a line.
		fmt.Fprintln(os.Stderr, "gtc-deployer: "+strings.ReplaceAll(err.Error(), "\n", "\ngtc-deployer: "))
	}
	os.Exit(exitCode(err))
}
