package stage

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// asked are the requests, as Vault logs them, of one mount of records.
func asked(pod string) []lab.AuditEntry {
	var entries []lab.AuditEntry
	for _, entry := range []lab.AuditEntry{
		{Operation: "update", MountType: "kubernetes", Path: "auth/kubernetes/login"},
		{Operation: "read", MountType: "kv", Path: "secret/data/a"},
		{Operation: "read", MountType: "kv", Path: "secret/data/b"},
		{Operation: "read", MountType: "kv", Path: "secret/data/c"},
		{Operation: "update", MountType: "transit", Path: "transit/decrypt/greentic"},
	} {
		entry.Headers = map[string][]string{podHeader: {pod}}
		for _, entry.Type = range []string{"request", "response"} {
			entries = append(entries, entry)
		}
	}
	return entries
}

func TestCount(t *testing.T) {
	want := figures.Tally{Logins: 1, Reads: 3, Decrypts: 1}
	for name, row := range map[string]struct {
		mutate func([]lab.AuditEntry) []lab.AuditEntry
		odd    []string
	}{
		"as it must be": {func(e []lab.AuditEntry) []lab.AuditEntry { return e }, nil},
		"a second login": {
			func(e []lab.AuditEntry) []lab.AuditEntry { return append(e, e[0]) },
			[]string{"ns/a/1: 2 logins, 3 reads, 1 transit call"},
		},
		"a read that was left out": {
			func(e []lab.AuditEntry) []lab.AuditEntry { return append(e[:2:2], e[4:]...) },
			[]string{"ns/a/1: 1 login, 2 reads, 1 transit call"},
		},
		"another request": {
			func(e []lab.AuditEntry) []lab.AuditEntry {
				other := e[0]
				other.Path = "auth/token/revoke-self"
				return append(e, other)
			},
			[]string{"ns/a/1: 1 login, 3 reads, 1 transit call, 1 other"},
		},
		"nothing at all": {
			func([]lab.AuditEntry) []lab.AuditEntry { return nil },
			[]string{"ns/a/1: none", "ns/b/2: none"},
		},
		"a request for nobody": {
			func(e []lab.AuditEntry) []lab.AuditEntry {
				return append(e, lab.AuditEntry{Type: "request", Operation: "read", MountType: "kv", Path: "secret/data/a"})
			},
			[]string{`read of "secret/data/a" in the name of "", which was not being mounted`},
		},
		"a request for another pod": {
			func(e []lab.AuditEntry) []lab.AuditEntry { return append(e, asked("ns/c/3")[2]) },
			[]string{`read of "secret/data/a" in the name of "ns/c/3", which was not being mounted`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := figures.Requests{Want: want}
			entries := row.mutate(append(asked("ns/a/1"), asked("ns/b/2")...))
			count(&r, []string{"ns/a/1", "ns/b/2"}, entries)
			assert.Equal(t, row.odd, r.Odd)
			assert.Equal(t, 2, r.Calls)
		})
	}
}

func TestCountAddsUp(t *testing.T) {
	r := figures.Requests{Want: figures.Tally{Logins: 1, Reads: 3, Decrypts: 1}}
	count(&r, []string{"ns/a/1"}, asked("ns/a/1"))
	count(&r, []string{"ns/b/2"}, asked("ns/b/2"))
	assert.Equal(t, figures.Requests{Want: r.Want, Calls: 2, Total: figures.Tally{Logins: 2, Reads: 6, Decrypts: 2}}, r)
}

func TestCountOfReplicas(t *testing.T) {
	shared := append(asked("ns/a/1"), asked("ns/b/2")[:2]...) // b/2 logs in, and reads nothing itself
	r := figures.Replicas{}
	countCold(&r, []string{"ns/a/1", "ns/b/2"}, shared)
	assert.Equal(t, figures.Replicas{Cold: []figures.Tally{{Logins: 2, Reads: 3, Decrypts: 1}}}, r)

	countCold(&r, []string{"ns/a/1", "ns/b/2", "ns/c/3"}, shared)
	assert.Equal(t, []string{"ns/c/3: none"}, r.Odd, "it got an answer without a login")
	r.Odd = nil
	countCold(&r, []string{"ns/a/1"}, shared)
	assert.Equal(t, []string{`update of "auth/kubernetes/login" in the name of "ns/b/2", which was not being mounted`}, r.Odd)
	assert.Len(t, r.Cold, 3)
}

func TestStrangers(t *testing.T) {
	reviews := lab.APIAuditEntry{User: reviewer, UserAgent: "vault", Verb: "create", URI: "/apis/authentication.k8s.io/v1/tokenreviews"}
	watch := lab.APIAuditEntry{User: "system:serviceaccount:kube-system:secrets-store-csi-driver", Verb: "watch", URI: "/api/v1/pods"}
	assert.Empty(t, strangers([]lab.APIAuditEntry{reviews, watch}))
	assert.NotNil(t, strangers(nil), "nil would say that nobody looked")
	for want, entry := range map[string]lab.APIAuditEntry{
		`get "/api/v1/namespaces/ns/secrets/s" by "system:serviceaccount:ns:gtc.acme.sales" ("Go-http-client/1.1")`: {
			User: "system:serviceaccount:ns:gtc.acme.sales", UserAgent: "Go-http-client/1.1", Verb: "get", URI: "/api/v1/namespaces/ns/secrets/s",
		},
		`get "/api" by "system:anonymous" ("")`:                                    {User: "system:anonymous", Verb: "get", URI: "/api"},
		`list "/api/v1/pods" by "system:serviceaccount:vault:vault-reviewer" ("")`: {User: reviewer, Verb: "list", URI: "/api/v1/pods"},
	} {
		assert.Equal(t, []string{want}, strangers([]lab.APIAuditEntry{reviews, entry, watch}))
	}
}
