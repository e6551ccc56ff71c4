// Package hour simulates one hour of a large cluster at Vault: 10,000 pods on 100 nodes, each with a volume of three plain KV secrets, after all
// providers were started anew at once. The sessions are the provider's own, one store for each node, on a simulated clock; Vault answers
// at once and counts; the kubelets and the provider that ours is compared with, vault-csi-provider, are models.
//
// Run by itself the test is small. With -full it is the hour, which make bench runs and which the README's pictures and figures are of:
// the same seed gives the same ones.
package hour

//go:generate go test -count=1 -run TestHour . -full -update
