package lease_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	poll    = 75 * time.Second // how often the kubelet asks
	silence = 15 * time.Minute
	period  = 20 * time.Minute // of a token
	ttl     = time.Hour        // of a lease, as the lab's roles have it
	longest = 24 * time.Hour   // a lease's longest life
	life    = 30 * 24 * time.Hour
)

// double is a Vault on a simulated clock, with leases that end as Vault's do: by their age, and with their token.
type double struct {
	mu      sync.Mutex
	tokens  []*token
	leases  map[string]*leased
	made    int
	asked   []string // what was asked, in words
	err     error    // how every request ends
	refuse  map[string]error
	ttl     time.Duration
	max     time.Duration
	period  time.Duration
	tokens0 time.Duration // a token's longest life; 0 is none
	fixed   bool          // leases are not renewable
	pause   chan struct{} // what issues wait for
}

type token struct {
	vault.Token
	made, ends time.Time
}

type leased struct {
	token      *token
	made, ends time.Time
}

func newDouble(tokens []vault.Token) *double {
	d := &double{leases: map[string]*leased{}, refuse: map[string]error{}, ttl: ttl, max: longest, period: period}
	for _, t := range tokens {
		d.tokens = append(d.tokens, &token{Token: t})
	}
	return d
}

// login makes the token i live from now on.
func (d *double) login(i int) vault.Token {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens[i].made, d.tokens[i].ends = time.Now(), time.Now().Add(d.period)
	return d.tokens[i].Token
}

func (d *double) change(how func(*double)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

// count is how often something was asked.
func (d *double) count(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, asked := range d.asked {
		if strings.HasPrefix(asked, what) {
			n++
		}
	}
	return n
}

// works reports whether a credential does.
func (d *double) works(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.leases[id]
	return l != nil && time.Now().Before(l.ends) && time.Now().Before(l.token.ends)
}

func (d *double) ask(what string, t vault.Token) (*token, error) {
	d.asked = append(d.asked, what)
	if d.err != nil {
		return nil, d.err
	}
	for _, known := range d.tokens {
		if known.Equal(t) && time.Now().Before(known.ends) {
			return known, nil
		}
	}
	return nil, fmt.Errorf("%s: %w (403)", what, vault.ErrPolicy)
}

func (d *double) Issue(ctx context.Context, t vault.Token, ask vault.Ask) (vault.Issued, error) {
	d.mu.Lock()
	pause := d.pause
	d.mu.Unlock()
	if pause != nil {
		select {
		case <-pause:
		case <-ctx.Done():
			return vault.Issued{}, fmt.Errorf("%w: %w", vault.ErrUnavailable, ctx.Err())
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	by, err := d.ask("issue "+ask.Path, t)
	if err != nil {
		return vault.Issued{}, err
	}
	if err := d.refuse[ask.Path]; err != nil {
		return vault.Issued{}, err
	}
	d.made++
	if strings.HasPrefix(ask.Path, "pki/") {
		return vault.Issued{Data: secret.NewString(fmt.Sprintf(`{"serial_number":"%02x","expiration":%d}`, d.made, time.Now().Add(life).Unix()))}, nil
	}
	id := fmt.Sprintf("%s/%d", ask.Path, d.made)
	d.leases[id] = &leased{token: by, made: time.Now(), ends: time.Now().Add(d.ttl)}
	return vault.Issued{
		Data: secret.NewString(fmt.Sprintf(`{"id":%q}`, id)), Lease: id, Lasts: d.ttl, Renewable: !d.fixed,
	}, nil
}

func (d *double) RenewLease(_ context.Context, t vault.Token, id string, lasts time.Duration) (vault.Renewed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("renew "+id, t); err != nil {
		return vault.Renewed{}, err
	}
	l := d.leases[id]
	if l == nil || !time.Now().Before(l.ends) || !time.Now().Before(l.token.ends) {
		return vault.Renewed{}, fmt.Errorf("renewing: %w (400)", vault.ErrLease)
	}
	lasts = min(lasts, time.Until(l.made.Add(d.max)))
	l.ends = time.Now().Add(lasts)
	return vault.Renewed{Lasts: lasts, Renewable: true}, nil
}

func (d *double) RevokeLease(_ context.Context, t vault.Token, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("revoke "+id, t); err != nil {
		return err
	}
	delete(d.leases, id)
	return nil
}

func (d *double) RenewSelf(_ context.Context, t vault.Token) (vault.Renewed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	by, err := d.ask("renew the token", t)
	if err != nil {
		return vault.Renewed{}, err
	}
	lasts := d.period
	if d.tokens0 > 0 {
		lasts = min(lasts, time.Until(by.made.Add(d.tokens0)))
	}
	by.ends = time.Now().Add(lasts)
	return vault.Renewed{Lasts: lasts, Renewable: true}, nil
}

func (d *double) Revoke(_ context.Context, t vault.Token) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	by, err := d.ask("revoke the token", t)
	if err == nil {
		by.ends = time.Now()
	}
	return err
}

// tokens are from logins: only a login makes one. The last one is a batch token.
func tokens(t *testing.T, n int) []vault.Token {
	t.Helper()
	made := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kind := "service"
		if made++; made == n {
			kind = "batch"
		}
		_, _ = io.WriteString(w, fmt.Sprintf(`{"auth":{"client_token":"token-%d","token_type":%q,"lease_duration":%d}}`, made, kind, period/time.Second))
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	c, err := vault.New(vault.Options{
		Addresses: []*url.URL{base}, AuthMount: "a", KVMount: "k", KVPrefix: "p", TransitMount: "t", TransitKey: "k",
	})
	require.NoError(t, err)
	defer c.Close()
	all := make([]vault.Token, n)
	for i := range all {
		login, err := c.Login(t.Context(), vault.Pod{}, "role", secret.NewString("jwt"))
		require.NoError(t, err)
		all[i] = login.Token
	}
	return all
}

// node is a Store with its Vault.
type node struct {
	*lease.Store
	t      *testing.T
	vault  *double
	broken vault.Breaker

	mu     sync.Mutex
	events []lease.Event
	batch  vault.Token
}

// simulated runs test on a simulated clock, with a Store that has been there for a while.
func simulated(t *testing.T, test func(*node)) {
	t.Helper()
	all := tokens(t, 5)
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t, vault: newDouble(all), batch: all[4]}
		n.Store = lease.New(n.told)
		defer n.Close()
		time.Sleep(time.Hour)
		test(n)
	})
}

func (n *node) told(e lease.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, e)
}

// happened is how often something did.
func (n *node) happened(what lease.What) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, e := range n.events {
		if e.What == what {
			count++
		}
	}
	return count
}

func (n *node) loan(pod string) lease.Loan {
	return lease.Loan{
		Holder: lease.Holder{
			Pod:        badge.Pod{Namespace: "gtc-prod--acme--sales", ServiceAccount: "gtc.acme.sales", Name: pod, UID: "uid-of-" + pod},
			Connection: "default",
		},
		Vault: n.vault, Breaker: &n.broken, Silence: silence, Since: time.Now(),
	}
}

// wants are a pod's wishes, as badge grants them: db/… are leases, pki/… certificates, kv/… values.
func wants(t *testing.T, paths ...string) []fetch.Wish {
	t.Helper()
	var rules []badge.PathRule
	for text, kind := range map[string]badge.Kind{"db/*": badge.KindLease, "pki/*": badge.KindCertificate, "kv/*": badge.KindValue} {
		pattern, err := rawpath.ParsePattern(text)
		require.NoError(t, err)
		rules = append(rules, badge.PathRule{Pattern: pattern, Kind: kind})
	}
	asks := make([]badge.Ask, len(paths))
	for i, path := range paths {
		var err error
		asks[i].Path, err = rawpath.Parse(path, nil)
		require.NoError(t, err)
	}
	pod := badge.Pod{Namespace: "gtc-prod--acme--sales", ServiceAccount: "gtc.acme.sales", Name: "w", UID: "u"}
	granted, err := badge.Naming{}.Admit(badge.Claim{
		Scope: secretref.MustParseScope("prod/acme/sales"), Pod: pod, Audience: "vault", Asks: asks, Paths: rules,
		Token: badge.Claims{
			Subject: "system:serviceaccount:" + pod.Namespace + ":" + pod.ServiceAccount, Namespace: pod.Namespace, ServiceAccount: pod.ServiceAccount,
			PodName: pod.Name, PodUID: pod.UID, Audiences: []string{"vault"}, Expires: time.Now().Add(time.Hour),
		},
	}, time.Now())
	require.NoError(t, err)
	wishes := make([]fetch.Wish, len(granted))
	for i, g := range granted {
		wishes[i].Granted = g
	}
	return wishes
}

// obtain is Obtain with what was given to use, as text.
func (n *node) obtain(l lease.Loan, token vault.Token, wishes []fetch.Wish) ([]string, error) {
	var got []string
	err := n.Obtain(context.Background(), l, token, wishes, func(found []fetch.Found) error {
		for _, f := range found {
			got = append(got, f.Issued.Data.RevealString())
		}
		return nil
	})
	return got, err
}

// must is obtain that has to succeed, and gives back the token as a session does.
func (n *node) must(l lease.Loan, token vault.Token, wishes []fetch.Wish) []string {
	n.t.Helper()
	got, err := n.obtain(l, token, wishes)
	require.NoError(n.t, err)
	if token.IsKept() && !n.Owns(l.Holder, token) {
		assert.NoError(n.t, n.vault.Revoke(context.Background(), token))
	}
	return got
}
