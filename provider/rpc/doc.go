// Package rpc is the server around the provider: a Unix socket that only root and the provider's own user may use, gRPC on it, a
// deadline, recovery from panics, health, and an end in good order.
//
// The kubelet takes Unavailable, ResourceExhausted, DeadlineExceeded, Aborted and Canceled for "undecided" and keeps the volume's
// folder, which the driver then takes for a mounted one: a pod starts without its secrets. So no such code leaves here, whoever made
// it, and a server that is told to stop answers every mount before it closes the listener.
package rpc
