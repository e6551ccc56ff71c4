package provider

import (
	"encoding/json"
	"net/http"

	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// listed is one volume that is remembered, with what is held for its pod.
type listed struct {
	session.Entry
	Leases []lease.Entry `json:"leases,omitempty"`
}

// Sessions answers, as JSON, what is remembered of which pod: ages, sizes, and when Vault is asked again; no value and no token.
func (s *Server) Sessions() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		sessions := s.sessions.List()
		list := make([]listed, len(sessions))
		for i, entry := range sessions {
			list[i] = listed{Entry: entry, Leases: s.leases.List(entry.UID, entry.Connection)}
		}
		_ = encoder.Encode(list) // whoever asked has gone
	})
}

// Remembers is about how many bytes of memory the sessions take.
func (s *Server) Remembers() int { return s.sessions.Totals().Memory() }
