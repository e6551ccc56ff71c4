package kind

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// What Collect keeps besides what kubectl tells.
const (
	nodeLog        = "node.log"
	journalLog     = "journal.log"
	containersText = "containers.txt"
	podsFolder     = "pods" // as /var/log/pods
)

// makeRoom makes the folder, and removes from it what Collect has kept there before, so that nobody takes an earlier cluster's logs for this one's. What
// else is there stays.
func makeRoom(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	kept := append(slices.Collect(maps.Keys(kubectl())), nodeLog, journalLog, containersText, podsFolder)
	for _, name := range kept {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Collect keeps the logs of all pods and of the node, the events, and descriptions of what there is, in the folder dir. It keeps what it can get:
// its error names what it could not. What an earlier call has kept there is removed first.
func (c *Cluster) Collect(ctx context.Context, dir string) error {
	if err := makeRoom(dir); err != nil {
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
	keep(nodeLog, "logs", node.name)
	keep(journalLog, "exec", node.name, "journalctl", "--no-pager", "--boot")
	keep(containersText, "exec", node.name, "ctr", "--namespace=k8s.io", "tasks", "list")
	for file, args := range kubectl() {
		keep(file, append([]string{"exec", node.name, "kubectl", "--request-timeout=20s"}, args...)...)
	}
	// The folder of the pods' logs has those of containers that have ended too, and needs no API server.
	if _, err := c.Docker(ctx, "cp", "--quiet", node.name+":/var/log/"+podsFolder, dir); err != nil {
		faults = append(faults, fmt.Errorf("keeping the pods' logs: %w", err))
	}
	return errors.Join(faults...)
}
