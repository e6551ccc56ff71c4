// Package engine finds a Docker engine that runs privileged containers, which a kind node is, and makes one where there is none.
//
// The machine's own engine is taken as it is, or not at all: nothing of it is ever changed. Where its process lacks a capability, `docker run
// --privileged` fails on it; then a second engine is started, with its own containerd, socket, data and configuration, whose runtime asks only for
// what the machine can give. It leaves the machine's packet filter alone: a published port is a process that forwards, and its containers have
// no way out. It ends with the process that started it, however that ends, unless it is told to stay.
package engine
