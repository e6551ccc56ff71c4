package session

import (
	"cmp"
	"slices"
	"time"
)

// Totals are what a Store holds.
type Totals struct {
	Sessions int
	Bytes    int // of answers
	Troubled int // sessions whose last refresh failed
}

// Totals counts.
func (s *Store) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	totals := Totals{Sessions: len(s.sessions), Bytes: s.bytes}
	for _, known := range s.sessions {
		if !known.troubled.IsZero() {
			totals.Troubled++
		}
	}
	return totals
}

// Memory is about how many bytes of memory it all takes, above rather than below.
func (t Totals) Memory() int {
	const session = 3 << 10 // with its group, its token and its places in the maps, by measurement
	return t.Sessions*session + t.Bytes
}

// Entry is one session, for people: no value, no token, no digest of one. Times are as long ago or ahead as their names say, to the second.
type Entry struct {
	Pod        string   `json:"pod"` // <namespace>/<name>
	UID        string   `json:"uid"`
	Scope      string   `json:"scope"`
	Connection string   `json:"connection"`
	Bytes      int      `json:"bytes"`                // of the answer; volumes of one badge and request share it
	Holders    int      `json:"holders"`              // how many volumes share it
	Age        *seconds `json:"age,omitempty"`        // of the answer; none where Vault refused it
	Refresh    *seconds `json:"refresh_in,omitempty"` // when the next call of the driver is not answered from memory any more
	Heard      seconds  `json:"heard_ago"`
	Troubled   *seconds `json:"troubled_for,omitempty"` // since the first refresh that failed
}

type seconds int64

func since(d time.Duration) seconds { return seconds(d.Round(time.Second) / time.Second) }

// List is every session, by pod.
func (s *Store) List() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	entries := make([]Entry, 0, len(s.sessions))
	for _, known := range s.sessions {
		e := Entry{
			Pod: known.pod.Namespace + "/" + known.pod.Name, UID: known.pod.UID, Scope: known.scope, Connection: known.connection,
			Heard: since(now.Sub(known.heard)),
		}
		if a := known.answer(); a != nil {
			age, refresh := since(now.Sub(a.began)), max(since(a.due-now.Sub(a.began)), 0)
			e.Bytes, e.Age, e.Refresh, e.Holders = a.bytes.Len(), &age, &refresh, 1
			if known.own == nil {
				e.Holders = known.group.holders
			}
		}
		if !known.troubled.IsZero() {
			troubled := since(now.Sub(known.troubled))
			e.Troubled = &troubled
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.UID, b.UID)) })
	return entries
}
