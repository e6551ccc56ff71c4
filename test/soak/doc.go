// Package soak keeps the product under random faults on the lab: the provider built with the race detector, and the real driver, Vault and API server.
//
// Some twenty pods are republished as a kubelet does it, only oftener, while values rotate, pods come and go, and faults are made and mended
// after a plan that a seed determines. Readers look at every volume all along. Each test file is one part: plan (which fault when), faults (how each is
// made and mended), pods (the kubelet's part), watch (the reader's), values (what is rotated), provider, front (the way to Vault), search (what is looked for at the end).
package soak
