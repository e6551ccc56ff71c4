package vault

import (
	"bytes"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// longestLife bounds what is believed of a token's life, whatever Vault's answer says.
const longestLife = 24 * time.Hour

// lifetime is how long Vault takes a login's token.
func lifetime(what string, auth exactjson.Object) (time.Duration, error) {
	var seconds int64
	if auth.Has("lease_duration") && auth.Read("lease_duration", &seconds) != nil {
		return 0, lacks(what, "auth.lease_duration that is a number of seconds")
	}
	return time.Duration(min(max(seconds, 0), int64(longestLife/time.Second))) * time.Second, nil
}

// IsKept reports whether Vault keeps the token until it ends or is revoked. A batch token is kept nowhere: it may be used until its
// end, and cannot be given back.
func (t Token) IsKept() bool { return t.kept }

// Lasts is how long Vault said, when it gave the token, that it takes it; 0 is not told.
func (t Token) Lasts() time.Duration { return t.lasts }

// IsZero reports whether t is no token, or one that was wiped.
func (t Token) IsZero() bool { return t.value.IsEmpty() }

// Equal reports whether t and other are the same token.
func (t Token) Equal(other Token) bool { return !t.IsZero() && t.value.Equal(other.value) }

// Copy is the same token, which outlives t's wiping.
func (t Token) Copy() Token {
	t.value = secret.New(bytes.Clone(t.value.Reveal()))
	return t
}

// Wipe overwrites the token with zeros; every copy of t opens nothing afterwards.
func (t Token) Wipe() { t.value.Wipe() }
