package main

import (
	"fmt"
	"log/slog"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
	"github.com/greenticai/gtc-csi-provider/provider/podwatch"
)

// cluster is what the program has to do with the API server. Nothing of it is needed for a mount.
type cluster struct {
	client *kubeapi.Client // nil without access
	sender *events.Sender  // nil where no events are told
}

// reach looks for the container's access to the API server. Events go without where there is none; a pod watch does not.
func reach(o options, log *slog.Logger) (*cluster, error) {
	if !o.events && o.watchNode == "" {
		return &cluster{}, nil
	}
	client, err := kubeapi.InCluster(o.apiAccess)
	switch {
	case err != nil:
		return nil, err
	case client == nil && o.watchNode != "":
		return nil, fmt.Errorf("%w: --pod-watch-node: %w: %s has no token, or KUBERNETES_SERVICE_HOST is not set", errInvalid, kubeapi.ErrAccess, o.apiAccess)
	case client == nil:
		return &cluster{}, nil
	}
	c := &cluster{client: client}
	if o.events {
		c.sender = events.New(client, log)
	}
	return c, nil
}

// watch is nil where none is asked for.
func (c *cluster) watch(o options, server *provider.Server, log *slog.Logger) (*podwatch.Watch, error) {
	if o.watchNode == "" {
		return nil, nil //nolint:nilnil // no watch is no fault
	}
	watch, err := podwatch.New(podwatch.Options{API: c.client, Node: o.watchNode, Ended: server.PodEnded, Up: server.PodsWatched, Log: log})
	if err != nil {
		return nil, fmt.Errorf("%w: --pod-watch-node: %w", errInvalid, err)
	}
	return watch, nil
}

func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
}
