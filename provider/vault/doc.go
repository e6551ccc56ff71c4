// Package vault is what a mount says to Vault: log in with the pod's token, read KV v2, unwrap data keys, give the token back; and, for
// raw paths, ask an engine for what it makes, and renew it.
//
// A Client is one connection as the operator configured it. Nothing of the process's environment takes part: no VAULT_* variable, no
// proxy. It keeps one pool of connections for all pods, and at most a fixed number of requests is on its way at once.
//
// A request is tried again, with a growing and jittered pause, after a connection error, 412, 429 or 5xx: at the addresses in their
// order, beginning with the one that answered last. A redirect is followed only to another address of the same connection, so that a
// token never goes to a stranger. An answer has at most MaxAnswer bytes and is decoded strictly.
//
// Every error is one of this package's, with a text that says what was tried, Vault's status and what to do next. What Vault wrote is
// compared with known texts and never repeated: it may hold what nobody should read in a pod's events.
package vault
