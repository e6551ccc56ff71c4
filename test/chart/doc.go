// Package chart holds the Helm chart to what it promises: its values, its objects before a real API server, its admission policies, its
// notes, its alerts and its README.
package chart

//go:generate go tool -modfile=../tools/helm-docs/go.mod helm-docs --chart-search-root=../../chart --template-files=README.md.gotmpl --sort-values-order=file
//go:generate go test -run TestTheDefaultRendering . -update
