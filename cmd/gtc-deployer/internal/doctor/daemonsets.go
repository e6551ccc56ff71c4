package doctor

import (
	"context"
	"errors"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// What DaemonSets are recognised by.
const (
	driverContainer = "secrets-store" // the container's name in the driver's chart and in its manifests
	providersFlag   = "provider-volume"
	nameLabel       = "app.kubernetes.io/name"
	providerName    = "gtc-csi-provider"
)

const (
	noInterval    = "0s"
	rotationFlag  = "enable-secret-rotation"
	intervalFlag  = "rotation-poll-interval"
	usualInterval = "2m" // the driver's own default
)

// daemonSets looks at what has to run on every node: the driver, and our provider.
func (c *checks) daemonSets(ctx context.Context) error {
	all, err := c.cluster.list(ctx, daemonSets, "")
	if errors.Is(err, errForbidden) {
		c.at("DaemonSets of the driver and the provider").find(Failure, "", "%s", err)
		return nil
	}
	if err != nil {
		return err
	}
	var drivers, providers int
	for i := range all {
		var set appsv1.DaemonSet
		if err := convert(&all[i], &set); err != nil {
			return err
		}
		at := c.at("DaemonSet " + set.Namespace + "/" + set.Name)
		if container := driverIn(&set); container != nil {
			drivers++
			c.driver(at, &set, container)
		}
		if set.Labels[nameLabel] == providerName {
			providers++
			ready(at, &set, "the provider")
		}
	}
	if drivers == 0 {
		c.at("DaemonSet of the driver").find(Failure, "install the chart secrets-store-csi-driver, 1.6 or later",
			"none has a container %q or the argument --%s: no node mounts anything", driverContainer, providersFlag)
	}
	if providers == 0 {
		c.at("DaemonSet of the provider").find(Failure, "install the chart gtc-csi-provider",
			"none has the label %s=%s: the driver finds no provider \"greentic\"", nameLabel, providerName)
	}
	return nil
}

// driverIn is the driver's container in a DaemonSet of Linux nodes, nil if there is none.
func driverIn(set *appsv1.DaemonSet) *corev1.Container {
	pod := &set.Spec.Template.Spec
	if pod.NodeSelector[corev1.LabelOSStable] == "windows" {
		return nil
	}
	for i := range pod.Containers {
		container := &pod.Containers[i]
		if _, given := argument(container, providersFlag); given || container.Name == driverContainer {
			return container
		}
	}
	return nil
}

func (c *checks) driver(at link, set *appsv1.DaemonSet, container *corev1.Container) {
	driverVersion(at, set, container)
	on, given := argument(container, rotationFlag)
	if enabled, err := strconv.ParseBool(on); err == nil && enabled {
		at.ok("--%s=true", rotationFlag)
	} else {
		at.find(Failure, "", "--%s is %s: the driver passes on no rotated secret, and hides a refused one", rotationFlag, told(on, given, "false"))
		c.rotate()
	}
	interval, given := argument(container, intervalFlag)
	if poll, err := time.ParseDuration(interval); err == nil && poll == 0 {
		at.ok("--%s=%s", intervalFlag, interval)
	} else {
		at.find(Failure, "", "--%s is %s, which must be %s: after a failed first mount the driver would call the empty folder a mounted volume",
			intervalFlag, told(interval, given, usualInterval), noInterval)
		c.report.Values.RotationPollInterval = noInterval
	}
	ready(at, set, "the driver")
}

// told is how a flag is, for a person.
func told(value string, given bool, standard string) string {
	if !given {
		return "not given (it is " + standard + " then)"
	}
	return strconv.Quote(value)
}

// ready says whether the DaemonSet's pods are ready on all the nodes that it is for.
func ready(at link, set *appsv1.DaemonSet, what string) {
	s := &set.Status
	look := "kubectl --namespace " + set.Namespace + " describe daemonset " + set.Name
	switch {
	case s.ObservedGeneration < set.Generation:
		at.find(Failure, "wait a moment, then look again: "+look, "the cluster has not acted upon its newest state yet")
	case s.DesiredNumberScheduled == 0:
		at.find(Failure, look, "it is for no node: its nodeSelector or affinity fits none")
	case s.NumberReady < s.DesiredNumberScheduled:
		at.find(Failure, look, "%s is ready on %d of %d nodes: pods on the others wait", what, s.NumberReady, s.DesiredNumberScheduled)
	default:
		at.ok("%s is ready on all of %d nodes", what, s.DesiredNumberScheduled)
	}
}
