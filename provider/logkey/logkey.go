// Package logkey holds the keys of the provider's log lines. They are a contract with whoever searches and alerts: a key is added
// here, never written at a call.
package logkey

// The keys. None of them ever carries a value, a token, a request's parameters or an upstream body.
const (
	Error      = "error"      // an error's text
	Code       = "code"       // a gRPC code's name
	Reason     = "reason"     // why a mount ended as it did: a short fixed word
	Method     = "method"     // a gRPC method
	Duration   = "duration"   // how long it took
	Pod        = "pod"        // <namespace>/<name> as the kubelet names it
	PodUID     = "pod_uid"    // the pod's UID
	Scope      = "scope"      // <env>/<tenant>/<team>
	Connection = "connection" // a Vault connection's name
	Request    = "request"    // the kind of a request to Vault: login, read, decrypt, issue, renew, revoke
	Status     = "status"     // Vault's HTTP status, 0 where no answer came
	RequestID  = "request_id" // Vault's id of a request, as its audit log has it
	Objects    = "objects"    // how many objects were asked for
	Files      = "files"      // how many files were answered
	From       = "from"       // where an answer came from: vault, shared, memory, stale, removed
	Socket     = "socket"     // the socket's path
	Address    = "address"    // a listening address
	Path       = "path"       // a file of the provider's own configuration
	VaultPath  = "vault_path" // a raw path of Vault's that the operator grants; empty is a token
	Version    = "version"    // the provider's version
	Node       = "node"       // the node's name
	Signal     = "signal"     // a signal's name
	Stack      = "stack"      // where a panic happened
)
