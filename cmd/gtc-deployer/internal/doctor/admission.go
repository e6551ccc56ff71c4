package doctor

import (
	"context"
	"errors"
)

// admission looks for the policies that decide who may use a badge. Mounts work without them.
func (c *checks) admission(ctx context.Context) error {
	const install = "install the chart gtc-csi-provider with admission.enabled: true"
	at := c.at("ValidatingAdmissionPolicy")
	found, err := c.cluster.list(ctx, admissionPolicies, nameLabel+"="+providerName)
	switch {
	case errors.Is(err, errAbsent):
		at.find(Warning, "upgrade to Kubernetes 1.30 or later", "this API server has no such kind: whoever may make pods in a badge's namespace may run as the badge")
	case errors.Is(err, errForbidden):
		at.find(Warning, "", "%s", err)
	case err != nil:
		return err
	case len(found) == 0:
		at.find(Warning, install, "none has the label %s=%s: whoever may make pods in a badge's namespace may run as the badge", nameLabel, providerName)
	default:
		for _, policy := range found {
			c.at(at.object + " " + policy.GetName()).ok("it is there")
		}
	}
	return nil
}
