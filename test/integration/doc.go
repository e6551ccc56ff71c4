// Package integration holds the tests of the product on real parts: the lab's etcd, API server, Vault and CSI driver, and the product's own
// programs as processes.
//
// One lab serves the whole package. The product's deployer wires its Vault and renders what is applied to its API server, as an operator
// would. Each test that changes roles, policies or configuration has an environment, and mostly a provider, of its own; what all may share is
// the environment "prod" and the provider "greentic". Tests that restart, pause or seal a server are not parallel; all others are, and run
// when those have ended.
//
// Where the driver's rotation poll interval decides what happens, a test runs at 2m and at 0s (eachPoll).
package integration
