// Package lab is a cluster's control plane, a Vault and the Secrets Store CSI driver as plain processes: the real programs, no Docker, no root needed.
// It runs on Linux: the driver mounts, and mounts without root need Linux's namespaces.
//
// Start brings up, in less than five seconds once they are compiled:
//
//   - etcd and kube-apiserver, with RBAC, TokenRequest, TokenReview, admission policies and an audit log. No controller runs: nothing makes
//     the ServiceAccount "default", aggregated ClusterRoles (edit, admin) are empty (bind system:aggregate-to-edit), a deleted namespace stays.
//   - Vault's own core and HTTP API with kv, transit, pki, database, kubernetes and jwt, unsealed, with its audit log on.
//   - The node: a mount namespace. As root it is just that; as a normal user it is inside a user namespace.
//   - The CSI driver, in the node, with its own definitions, rights and CSIDriver object.
//
// There is no kubelet program; Kubelet does what a kubelet does to a CSI volume, one step at a time, so that a test can stand between two steps.
// Every server can be stopped and started again in the same place, and all of them end with the process that started them, however it ends.
//
// The servers are compiled from the modules in servers/, each at the version that its go.mod pins, into a cache (Build).
//
// Three environment variables have a say: GTC_LAB_CACHE is the cache's folder, GTC_LAB_SERVERS is the folder with the servers' modules where a program
// runs outside of a checkout, GTC_LAB_KEEP=1 leaves the state folder, which Dir names, after the end.
package lab
