//go:build tools

// Package servers pins the etcd that the lab runs.
package servers

import _ "go.etcd.io/etcd/server/v3"
