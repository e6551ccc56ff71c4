// Package e2e is the product on a real cluster: numbered suites, each a story with namespaces and an environment of its own. README.md says what
// each one tells. They are built with the tag e2e, since they need a Docker engine and minutes:
//
//	go test -tags e2e -count=1 -timeout 60m -v ./e2e
//	go test -tags e2e -count=1 -timeout 60m -v ./e2e -run 'Test03'
//
// KEEP=1 leaves the cluster up, and the next run with KEEP=1 uses it again.
package e2e
