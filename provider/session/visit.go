package session

import (
	"context"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// Vault is the way to Vault for one pod's volume.
type Vault interface {
	// Login shows Vault the pod's own token. Where it fails there is nothing to give back.
	Login(context.Context) (vault.Login, error)
	// Logout gives back a token that Vault would keep.
	Logout(context.Context, vault.Token)
	// Read makes the volume's answer. With without set, what Vault refuses or does not have is left out of it.
	Read(ctx context.Context, token vault.Token, without bool) (secret.Value, error)
}

// Policy is what the class and the operator say about refreshes.
type Policy struct {
	Interval      time.Duration // how old an answer may be; 0 or less: each call asks Vault
	MaxStale      time.Duration // how old an answer may be that stands in for one that Vault does not give; 0: none stands in
	Silence       time.Duration // after which a pod that is not heard of is forgotten
	RemoveRefused bool          // a refresh that Vault refuses is answered without what was refused
}

// Visit is one call of the driver for a volume. The badge has been proven, and the token is this pod's by its own claims.
type Visit struct {
	Pod     badge.Pod
	Request Request
	Proof   secret.Value // the pod's token
	Issued  time.Time    // when the pod got it; zero if it does not say, and then the pod is taken for a new one
	Policy  Policy
	Vault   Vault
	Breaker *vault.Breaker // of the connection

	// Made is what Vault makes for this pod alone, and what the answer holds of it; nil if there is nothing, and only then is it shared.
	Made Made
	// Call is all that the driver sent, as Store.Call has it, and Expires when the pod's token does: until then the same call needs no
	// looking into again. The zero Call is none.
	Call    Call
	Expires time.Time

	Scope, Connection string // for whoever looks at what is remembered
	Objects           int    // likewise
}

// Made is credentials and certificates that are made for one pod, and live longer than an answer.
type Made interface {
	// Stamp changes whenever one of them is replaced; 0 says that one has to be.
	Stamp() uint64
	// Hear notes that the pod is there and wants them.
	Hear()
}

// From says where an answer came from.
type From string

// Where an answer can come from.
const (
	Read    From = "vault"   // read for this volume
	Shared  From = "shared"  // read for another volume of the same group, while or after this one asked
	Memory  From = "memory"  // young enough
	Stale   From = "stale"   // too old, but Vault does not answer
	Removed From = "removed" // read for this volume, without what Vault refuses
)

// Answer is what a volume is answered with.
type Answer struct {
	Bytes secret.Value // a copy, the caller's own
	From  From
	Login string // Vault's id of the login that was needed, or empty
	// Trouble is why a refresh failed, also where it was answered nevertheless. Turned is set with the first trouble after none and with
	// the first answer after trouble.
	Trouble error
	Turned  bool
	// Spent is set once, when the last answer has stood in during the trouble and has become too old for it.
	Spent bool
}
