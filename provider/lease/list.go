package lease

import (
	"cmp"
	"slices"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// Totals are what a Store holds.
type Totals struct {
	Leases, Certificates int
	// Next is how long it is until the first of them ends if it is neither renewed nor replaced; 0 where there is none.
	Next time.Duration
}

// Totals counts.
func (s *Store) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	var totals Totals
	now, first := time.Now(), time.Time{}
	for _, p := range s.pods {
		for _, h := range p.held {
			if h.granted.Path().Kind() == badge.KindCertificate {
				totals.Certificates++
			} else {
				totals.Leases++
			}
			if first.IsZero() || h.term.ends.Before(first) {
				first = h.term.ends
			}
		}
	}
	if !first.IsZero() {
		totals.Next = first.Sub(now)
	}
	return totals
}

// Entry is one thing that is held, for people: no value, no token, no id of a lease. Times are in seconds.
type Entry struct {
	Path    string     `json:"path"`
	Kind    badge.Kind `json:"kind"`
	Age     int64      `json:"age"`
	Ends    int64      `json:"ends_in"`              // unless it is renewed
	Renew   *int64     `json:"renew_in,omitempty"`   // in the background
	Replace *int64     `json:"replace_in,omitempty"` // at the next call of the driver after that
}

// List is what is held for the pod with a UID on a connection, by path.
func (s *Store) List(uid, connection string) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []Entry
	for holder, p := range s.pods {
		if holder.Pod.UID == uid && holder.Connection == connection {
			entries = append(entries, p.list(time.Now())...)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	return entries
}

// list is what is held. Store.mu is held.
func (p *pod) list(now time.Time) []Entry {
	until := func(t time.Time) *int64 {
		if t.IsZero() {
			return nil
		}
		seconds := int64(max(t.Sub(now), 0).Round(time.Second) / time.Second)
		return &seconds
	}
	entries := make([]Entry, 0, len(p.held))
	for _, h := range p.held {
		entries = append(entries, Entry{
			Path: h.granted.Path().Request().Path(), Kind: h.granted.Path().Kind(), Age: int64(now.Sub(h.made).Round(time.Second) / time.Second),
			Ends: *until(h.term.ends), Renew: until(h.term.renew), Replace: until(h.term.replace),
		})
	}
	return entries
}
