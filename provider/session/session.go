package session

import (
	"bytes"
	"crypto/sha256"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// Request identifies everything that is asked for and of whom: volumes with the same one get the same answer.
type Request [sha256.Size]byte

// volume identifies a session.
type volume struct {
	pod     badge.Pod
	request Request
}

// share identifies a group.
type share struct {
	badge   badge.Badge
	request Request
	pod     badge.Pod // zero, but where what is asked for is made for each pod
}

// session is what is remembered of one pod's volume.
type session struct {
	volume
	group             *group
	scope, connection string
	objects           int

	call    Call              // the last one that was looked into, with the token that Vault was shown
	expires time.Time         // when that token does
	proof   [sha256.Size]byte // of the token that Vault was shown
	token   vault.Token       // what Vault gave for it, if it may be used again
	until   time.Time         // how long

	heard   time.Time     // the pod, with a proven token
	silence time.Duration // after which the session ends

	holds    bool    // the group's answer is this volume's too
	own      *answer // what this volume alone is answered with: what was refused is not in it
	troubled time.Time
	bridged  bool // since then the last answer has stood in, and was not too old yet
}

// answer is what was made of one read.
type answer struct {
	bytes secret.Value
	began time.Time     // the read
	due   time.Duration // the age at which it is read again
	stamp uint64        // of what was made for the pod; 0 where nothing was
}

// group is what volumes that ask for the same share.
type group struct {
	share   share
	phase   float64 // which part of a period has passed at the group's moment
	users   int     // sessions, callers and a flight: the group is forgotten after the last
	holders int     // sessions whose answer it is
	latest  *answer // nil if there is none
	flight  *flight // nil if none is on its way
}

// age is how old at now what began is. The clock on the wall jumps when somebody sets it, the other one stands still while the machine
// sleeps: of the two the longer counts, so that neither makes anything look younger than it is.
func age(began, now time.Time) time.Duration {
	return max(now.Sub(began), now.Round(0).Sub(began.Round(0)))
}

// answer is what the volume is answered with from memory; nil if there is nothing.
func (known *session) answer() *answer {
	switch {
	case known == nil:
		return nil
	case known.own != nil:
		return known.own
	case known.holds:
		return known.group.latest
	default:
		return nil
	}
}

// copied is a copy that nobody else wipes.
func (a *answer) copied() secret.Value { return secret.New(bytes.Clone(a.bytes.Reveal())) }

// hold makes the group's answer the volume's. s.mu is held.
func (s *Store) hold(known *session) {
	s.disown(known)
	if !known.holds {
		known.holds = true
		known.group.holders++
	}
}

// release takes the volume's answer from it, and wipes what nobody else has. s.mu is held.
func (s *Store) release(known *session) {
	s.disown(known)
	if !known.holds {
		return
	}
	known.holds = false
	known.group.holders--
	if known.group.holders == 0 {
		s.put(known.group, nil)
	}
}

func (s *Store) disown(known *session) {
	if known.own != nil {
		s.bytes -= known.own.bytes.Len()
		known.own.bytes.Wipe()
		known.own = nil
	}
}

// put makes a the group's answer, and wipes the one before. s.mu is held.
func (s *Store) put(g *group, a *answer) {
	if g.latest != nil {
		s.bytes -= g.latest.bytes.Len()
		g.latest.bytes.Wipe()
	}
	g.latest = a
	if a != nil {
		s.bytes += a.bytes.Len()
	}
}

// ref is the group that is shared, made if there is none; unref forgets it after its last user. s.mu is held.
func (s *Store) ref(by share) *group {
	g, known := s.groups[by]
	if !known {
		g = &group{share: by, phase: s.phase()}
		s.groups[by] = g
	}
	g.users++
	return g
}

func (s *Store) unref(g *group) {
	g.users--
	if g.users == 0 {
		s.put(g, nil)
		delete(s.groups, g.share)
	}
}
