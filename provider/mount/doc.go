// Package mount is the driver's wire on one side and values on the other: a MountRequest becomes a Request, files become a
// MountResponse.
//
// The driver sends one JSON map of attributes: the class's parameters, overwritten by the pod's volumeAttributes, and the kubelet's own
// keys (csi.storage.k8s.io/*), which nobody can overwrite while the CSIDriver object has podInfoOnMount. The pod's tokens come among
// the attributes or, since Kubernetes 1.35, among the secrets; and whoever writes a pod may put tokens in either place that the kubelet
// leaves empty. So they prove nothing here: package badge compares what they claim with the kubelet's keys.
//
// See secrets-store-csi-driver 1.6, provider/v1alpha1/service.proto and pkg/secrets-store/nodeserver.go.
package mount
