// Package lease holds what Vault makes for one pod: credentials with a lease, and certificates.
//
// Each is made once for a pod and then answered, the same bytes, for as long as the pod is heard of:
//
//	a lease            renewed in the background at two thirds of its life; where renewal ends, replaced when the pod next asks
//	a certificate      replaced when the pod asks after two thirds of its own life
//	the token          on which the leases hang is renewed likewise; where it ends, they are replaced
//
// What is replaced is not revoked: the worker may be using it until it reads its files again. The driver does not tell that a pod has
// ended, and silence ends the renewal and revokes nothing: a stopped kubelet must not take credentials from running pods. What is not
// renewed ends by its own age, at Vault. Whoever knows that a pod has ended (package podwatch) says so with End, and only then what it
// had is revoked. A mount that fails after something was made for it gives that back.
//
// Nothing is kept on a disk: after a restart each pod's credentials are made anew, once, and the ones before live one token's period
// longer.
package lease
