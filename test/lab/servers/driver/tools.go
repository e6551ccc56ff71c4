//go:build tools

// Package servers pins the Secrets Store CSI driver that the lab runs.
package servers

import _ "sigs.k8s.io/secrets-store-csi-driver/cmd/secrets-store-csi-driver"
