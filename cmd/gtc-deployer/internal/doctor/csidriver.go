package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	storagev1 "k8s.io/api/storage/v1"
)

// driverName is the CSI driver's name, and that of its CSIDriver object.
const driverName = "secrets-store.csi.k8s.io"

// csiDriver looks at the object that tells the kubelet what the driver wants to know.
func (c *checks) csiDriver(ctx context.Context) error {
	at := c.at("CSIDriver " + driverName)
	var object storagev1.CSIDriver
	err := c.cluster.get(ctx, csiDrivers, driverName, &object)
	switch {
	case errors.Is(err, errAbsent):
		at.find(Failure, "install the chart secrets-store-csi-driver, 1.6 or later, with the values below",
			"it does not exist: the Secrets Store CSI driver is not installed")
		c.requestTokens(nil, c.audiences)
		c.rotate()
		c.report.Values.RotationPollInterval = noInterval
		return nil
	case errors.Is(err, errForbidden):
		at.find(Failure, "", "%s", err)
		return nil
	case err != nil:
		return err
	}
	c.podInfo(at, object.Spec.PodInfoOnMount)
	c.tokens(at, object.Spec.TokenRequests)
	if republish := object.Spec.RequiresRepublish; republish != nil && *republish {
		at.ok("requiresRepublish is true")
	} else {
		at.find(Failure, "", "requiresRepublish is not true: the kubelet never asks again, so no rotated secret arrives")
		c.rotate()
	}
	return nil
}

func (c *checks) podInfo(at link, wanted *bool) {
	if wanted != nil && *wanted {
		at.ok("podInfoOnMount is true")
		return
	}
	at.find(Failure, `kubectl patch csidriver `+driverName+` --type merge --patch '{"spec":{"podInfoOnMount":true}}'`,
		"podInfoOnMount is not true: the provider is not told who the pod is, and a pod's author could say it instead")
}

func (c *checks) tokens(at link, present []storagev1.TokenRequest) {
	var audiences, missing []string
	for _, request := range present {
		audiences = append(audiences, request.Audience)
	}
	for _, audience := range c.audiences {
		if slices.Contains(audiences, audience) {
			at.ok("tokenRequests has the audience %q", audience)
			continue
		}
		missing = append(missing, audience)
		has := "none"
		if len(audiences) > 0 {
			has = strings.Join(audiences, ", ")
		}
		at.find(Failure, "", "tokenRequests has no audience %q (it has %s): pods bring no token that Vault takes", audience, has)
	}
	if len(missing) > 0 {
		c.requestTokens(present, missing)
	}
}

// requestTokens has the chart request tokens for what is missing besides what is present.
func (c *checks) requestTokens(present []storagev1.TokenRequest, missing []string) {
	values := &c.report.Values
	for _, request := range present {
		values.TokenRequests = append(values.TokenRequests, TokenRequest{request.Audience, request.ExpirationSeconds})
	}
	for _, audience := range missing {
		values.TokenRequests = append(values.TokenRequests, TokenRequest{Audience: audience})
	}
}

// rotate has the chart turn republishing on, in the object and in the driver.
func (c *checks) rotate() { c.report.Values.EnableSecretRotation = true }
