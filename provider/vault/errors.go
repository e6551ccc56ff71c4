package vault

import "errors"

// What a request to Vault can end with; every error of this package is one of them (errors.Is).
var (
	// ErrUnavailable is a Vault that is down, sealed, too slow or rate-limited, or a deadline that ended.
	ErrUnavailable = errors.New("vault is not available")
	// ErrLogin is a login that Vault refused.
	ErrLogin = errors.New("vault refused the login")
	// ErrRole is a login with a role that does not exist.
	ErrRole = errors.New("vault has no such role")
	// ErrPolicy is a request that the token's policies do not allow.
	ErrPolicy = errors.New("vault's policy refuses the request")
	// ErrEnded comes with ErrPolicy where Vault says that it does not know the token: it was revoked, or has ended. That says nothing of the right.
	ErrEnded = errors.New("vault does not know the token any more")
	// ErrNotFound is a secret, or a version of it, that is not there or was deleted.
	ErrNotFound = errors.New("vault has no such secret")
	// ErrIssue is a request on a raw path that the engine behind it does not take: its role is not there or does not allow it.
	ErrIssue = errors.New("vault's engine does not give it")
	// ErrBatch is a lease that a batch token would have to carry.
	ErrBatch = errors.New("the vault role gives batch tokens, which carry no lease")
	// ErrLease is a lease or a token that has ended, or that Vault does not know.
	ErrLease = errors.New("vault knows no such lease")
	// ErrCiphertext is a ciphertext that transit does not decrypt.
	ErrCiphertext = errors.New("transit does not decrypt it")
	// ErrMount is an auth, KV or transit mount, or a transit key, that is absent or not set up.
	ErrMount = errors.New("vault is not set up for this connection")
	// ErrRedirect is a redirect to an address that the connection does not have.
	ErrRedirect = errors.New("vault redirects to an address outside the connection")
	// ErrAnswer is an answer that cannot be understood or is too long.
	ErrAnswer = errors.New("vault's answer cannot be understood")
)

// ErrOptions is what New refuses with.
var ErrOptions = errors.New("invalid vault connection")
