package volume

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Snapshot is the promised secrets as one generation of the volume holds them. The zero value holds none.
type Snapshot struct {
	values map[secretref.Reference]secret.Value
}

// Value is ref's value, and whether the volume holds it: only an optional secret can be absent.
func (s Snapshot) Value(ref secretref.Reference) (secret.Value, bool) {
	value, found := s.values[ref]
	return value, found
}

// Wipe overwrites every value with zeros.
func (s Snapshot) Wipe() {
	for _, value := range s.values {
		value.Wipe()
	}
}

// Digest tells the contents of snapshots apart: which secrets they hold, and their values. It is made of secrets, so it stays in memory.
type Digest [sha256.Size]byte

// Digest is that of the values as they are now, so it comes before Wipe.
func (s Snapshot) Digest() Digest {
	hash := sha256.New()
	refs := slices.SortedFunc(maps.Keys(s.values), func(a, b secretref.Reference) int { return strings.Compare(a.String(), b.String()) })
	for _, ref := range refs {
		value := s.values[ref]
		// A reference holds no white space and each value's length is told, so no two snapshots write the same bytes.
		_, _ = fmt.Fprintf(hash, "%s %d\n", ref, value.Len())
		_, _ = hash.Write(value.Reveal())
	}
	return Digest(hash.Sum(nil))
}
