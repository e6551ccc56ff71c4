package volume

import (
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
