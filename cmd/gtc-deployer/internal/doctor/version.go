package doctor

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// oldest is the oldest driver that does what sessions rely on.
var oldest = version.MustParseGeneric("1.6.0")

// versionLabel is where the driver's chart puts its version.
const versionLabel = "app.kubernetes.io/version"

func driverVersion(at link, set *appsv1.DaemonSet, container *corev1.Container) {
	found, err := version.ParseGeneric(tag(container.Image))
	if err != nil {
		found, err = version.ParseGeneric(set.Labels[versionLabel])
	}
	switch {
	case err != nil:
		at.find(Warning, "see that it is "+oldest.String()+" or later",
			"neither its image %q nor the label %s tells the driver's version", container.Image, versionLabel)
	case found.LessThan(oldest):
		at.find(Failure, "upgrade the chart secrets-store-csi-driver to 1.6 or later",
			"the driver is %s: before %s it does not publish as the provider's sessions need it", found, oldest)
	default:
		at.ok("the driver is %s", found)
	}
}

// tag is an image's tag, "" if it has none.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ := strings.Cut(name, ":")
	return tag
}
