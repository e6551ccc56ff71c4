package object

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Versions makes the files' versions. One is made at the start of the process and serves all mounts.
type Versions struct{ key secret.Value }

// NewVersions makes Versions with a key of its own: after a restart, versions of what Vault names no version for change once.
func NewVersions() Versions {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program where there is no randomness
	return Versions{key: secret.New(key)}
}

func (v Versions) of(o params.Object, f fetch.Found, contents secret.Value) string {
	definition := fmt.Sprintf("%s\n%s\n%q\n%04o", name(f), o.Path(), o.Key, o.FileMode())
	if f.Issued.Serial != "" {
		sum := sha256.Sum256([]byte(definition))
		return f.Issued.Serial + "-" + short(sum[:])
	}
	version, created := f.Stored.Version()
	if _, err := time.Parse(time.RFC3339Nano, created); version > 0 && err == nil {
		sum := sha256.Sum256([]byte(definition))
		return fmt.Sprintf("%d-%s-%s", version, created, short(sum[:]))
	}
	mac := hmac.New(sha256.New, v.key.Reveal())
	_, _ = fmt.Fprintf(mac, "%s\n", definition)
	if lease := f.Issued.Lease; lease != "" {
		_, _ = mac.Write([]byte(lease))
	} else {
		_, _ = mac.Write(contents.Reveal())
	}
	return short(mac.Sum(nil))
}

// short is 128 bits: enough that no two versions meet.
func short(sum []byte) string { return hex.EncodeToString(sum[:16]) }
