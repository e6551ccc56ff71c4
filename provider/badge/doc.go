// Package badge is the team lock: which Kubernetes identity proves which scope, and whether a pod may have what it asks for.
//
// A badge is a namespace and a ServiceAccount. Names are computed from a scope and never parsed back: the deployer writes them, the
// provider computes them again and compares, and Vault's roles bind them.
//
//	                                   prod/acme/sales           prod/acme/_
//	namespace, layout "scope"          gtc-prod--acme--sales     gtc-prod
//	namespace, layout "environment"    gtc-prod                  gtc-prod
//	ServiceAccount                     gtc.acme.sales            gtc.acme
//	Vault role and policy              gtc.prod.acme.sales       gtc.prod.acme
//
// A part is plain if it is [a-z0-9]+(-[a-z0-9]+)*. If every part of a name is plain and the name has at most 63 characters it stands
// as shown. Otherwise it is "gtc-<readable>---<hash>", with "gtc." where dots are used: readable shows a person what it was, hash is
// 26 characters of lower-case base32 of SHA-256 over the kind of name and its parts. Plain names never hold three hyphens in a row,
// so the two forms cannot meet.
//
// Admit is the only door to a Granted, and a Granted is the only thing that the provider reads from Vault for a pod: a reference of the
// scope's own or its tenant's, or a raw path that the operator's rules grant the scope.
package badge
