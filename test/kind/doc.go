// Package kind brings up a real single-node Kubernetes cluster in a Docker container, with kind, on machines that can pull no image too.
//
// Up finds a Docker engine that runs privileged containers (package engine), finds or makes the node's image (package node), lets kind create the
// cluster and waits until pods can live in it. Down ends all of it. A process that dies without Down leaves nothing on a private engine, which ends
// with it; what it leaves on the machine's own engine is removed by the next Up of the same name.
//
// One process at a time has a cluster: the next waits. A cluster that is kept is nobody's; Attach finds it, and so does `go run ./kind/cmd/cluster`.
// All that outlives a cluster stands in the user's cache folder's gtc-csi-provider/kind, beside the lab's compiled servers. GTC_KIND_IMAGE names
// another node image, which is pulled; on a private engine its pods can have only what it holds or what is loaded.
package kind
