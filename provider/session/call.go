package session

import (
	"crypto/sha256"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// Call identifies everything that one call of the driver depends on, to the byte. The driver sends the same for ever, until the kubelet
// renews the pod's token.
type Call [sha256.Size]byte

// Call is a digest of what is in force and of all that the driver sent. It holds a token, so that it says nothing to anybody who does not
// have the Store's key.
func (s *Store) Call(inForce uint64, sent ...string) (c Call) {
	d := s.digester()
	defer s.digesters.Put(d)
	d.number(inForce)
	for _, text := range sent {
		d.number(uint64(len(text)))
		d.text(text)
	}
	return d.sum()
}

// Volume is what is known of a volume without looking into a call for it.
type Volume struct {
	Pod               badge.Pod
	Scope, Connection string
	Objects           int
}

// Again is the answer to a call that was answered before, if it can come from memory. Whether the pod may have it depends on nothing but
// what was sent, what is in force and the time, and the first two are the same: so only the token's expiry is looked at, and everything
// else was when the call was new.
func (s *Store) Again(c Call) (Answer, Volume, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.calls[c]
	if known == nil || !time.Now().Before(known.expires) {
		return Answer{}, Volume{}, false
	}
	bytes, turned := known.young(s.now())
	if bytes.IsEmpty() {
		return Answer{}, Volume{}, false
	}
	return Answer{Bytes: bytes, From: Memory, Turned: turned},
		Volume{Pod: known.pod, Scope: known.scope, Connection: known.connection, Objects: known.objects}, true
}

// called notes by which call Vault was shown the token that the session is proven by. What is made for one pod may have to be replaced at
// any time, so such a volume's calls are looked into each time. s.mu is held.
func (s *Store) called(known *session, v Visit) {
	delete(s.calls, known.call)
	known.call, known.expires = v.Call, v.Expires
	if v.Made != nil {
		known.call = Call{}
	}
	if known.call != (Call{}) {
		s.calls[known.call] = known
	}
}
