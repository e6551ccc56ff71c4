// Package provider is the Greentic provider of the Secrets Store CSI driver: from a pod's volume to its files.
//
//	mount    the driver's request → parameters, the pod, its tokens
//	badge    the claimed scope × the kubelet's identity × the token's claims → what the pod may have
//	session  the same pod, request and token as a moment ago: the answer from memory
//	vault    log in with the pod's own token
//	fetch    read just that, all at once
//	object   → files
//	mount    → the driver's response
//
// Server.Mount is that list, with what a session asks where its memory does not serve in volume.go. A stage's output is the next one's only
// input, and the first stage that fails ends the mount: nothing is asked of Vault, or of memory, before the badge is proven, and nothing
// is written if anything is missing. What a stage's errors mean to the kubelet
// is in one table, see codes.go.
package provider
