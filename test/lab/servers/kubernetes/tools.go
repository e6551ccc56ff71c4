//go:build tools

// Package servers pins the kube-apiserver that the lab runs.
package servers

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
