package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// kubectl are the descriptions that Collect keeps, by the file that each goes to. No Secret is among them.
func kubectl() map[string][]string {
	return map[string][]string{
		"pods.txt":    {"get", "pods", "--all-namespaces", "--output=wide"},
		"objects.txt": {"get", "all,configmaps,serviceaccounts,csidrivers,csinodes", "--all-namespaces", "--output=wide"},
		"events.txt":  {"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		"describe.txt": {
			"describe", "nodes,pods,daemonsets,deployments,jobs,csidrivers,csinodes", "--all-namespaces",
		},
		"classes.txt": {
			"get", "secretproviderclasses,secretproviderclasspodstatuses", "--all-namespaces", "--output=yaml", "--ignore-not-found",
		},
	}
}

// Collect keeps the logs of all pods and of the node, the events, and descriptions of what there is, in the folder dir. It keeps what it can get:
// its error names what it could not.
func (c *Cluster) Collect(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the logs: %w", err)
	}
	node := c.Node()
	var faults []error
	keep := func(file string, args ...string) {
		out, err := c.Docker(ctx, args...)
		if err != nil {
			faults = append(faults, fmt.Errorf("keeping %s: %w", file, err))
		}
		if err := os.WriteFile(filepath.Join(dir, file), out, 0o600); err != nil {
			faults = append(faults, fmt.Errorf("keeping %s: %w", file, err))
		}
	}
	keep("node.log", "logs", node.name)
	keep("journal.log", "exec", node.name, "journalctl", "--no-pager", "--boot")
	keep("containers.txt", "exec", node.name, "ctr", "--namespace=k8s.io", "tasks", "list")
	for file, args := range kubectl() {
		keep(file, append([]string{"exec", node.name, "kubectl", "--request-timeout=20s"}, args...)...)
	}
	// The folder of the pods' logs has those of containers that have ended too, and needs no API server.
	if _, err := c.Docker(ctx, "cp", "--quiet", node.name+":/var/log/pods", dir); err != nil {
		faults = append(faults, fmt.Errorf("keeping the pods' logs: %w", err))
	}
	return errors.Join(faults...)
}
