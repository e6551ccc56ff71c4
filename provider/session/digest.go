package session

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// digester makes digests with the Store's key: what is in memory must not help to check a guess elsewhere. Each call of the driver needs
// one, so that they are used again.
type digester struct {
	mac  hash.Hash
	room [512]byte // what goes through it is overwritten
}

// digester is one that nobody uses; it goes back into s.digesters.
func (s *Store) digester() *digester {
	d, _ := s.digesters.Get().(*digester) // there is nothing else in it
	d.mac.Reset()
	return d
}

func (d *digester) number(n uint64) {
	_, _ = d.mac.Write(binary.BigEndian.AppendUint64(d.room[:0], n))
}

func (d *digester) text(text string) {
	for len(text) > 0 {
		n := copy(d.room[:], text)
		_, _ = d.mac.Write(d.room[:n])
		text = text[n:]
	}
}

func (d *digester) sum() (sum [sha256.Size]byte) {
	copy(sum[:], d.mac.Sum(d.room[:0]))
	clear(d.room[:])
	return sum
}
