// Package wiring makes Vault ready for an environment: the second and third wall of the team lock.
//
//	KV v2 mount        records
//	transit mount, key wraps each record's data key
//	auth mount, config kubernetes or jwt: who proves a pod's token
//	policy, role       one of each per scope; the role binds exactly one badge and one audience, the policy reads exactly the
//	                   scope's records and the tenant's, and unwraps data keys
//	audited header     X-Greentic-Pod, because a login names only a role and a ServiceAccount
//
// Apply reads all of it first. What is as it must be is left alone, so that a second run writes nothing; what differs is written
// whole and reported field by field; what a write could only destroy (a mount of another kind, a key of another kind) is refused
// before anything is written.
package wiring
