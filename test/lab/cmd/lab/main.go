// Command lab builds the lab's servers ahead of the tests that need them (build), or keeps a lab up to look around in (up).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: lab build   (compile the lab's servers into the cache)\n       lab up      (start a lab and keep it until Ctrl-C)")

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errUsage
	}
	switch args[0] {
	case "build":
		versions, err := lab.Build(ctx, os.Stderr)
		if err == nil {
			fmt.Fprintf(out, "built: etcd %s, kube-apiserver %s, vault %s, secrets-store-csi-driver %s\n",
				versions.Etcd, versions.Kubernetes, versions.Vault, versions.Driver)
		}
		return err
	case "up":
		return up(ctx, out)
	default:
		return errUsage
	}
}

// up starts a lab for a person to look around in.
func up(ctx context.Context, out io.Writer) error {
	l, err := lab.Start(context.WithoutCancel(ctx), lab.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer l.Close()
	token, err := l.VaultToken()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "ready after %s; Ctrl-C ends it\nexport KUBECONFIG=%s VAULT_ADDR=%s VAULT_TOKEN=%s\nlogs: %s/logs\n",
		l.ReadyAfter().Round(10*time.Millisecond), l.Kubeconfig(), l.VaultAddr(), token, l.Dir())
	<-ctx.Done()
	return l.Close()
}
