package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown    = fmt.Errorf("reading: %w: it is sealed (503)", vault.ErrUnavailable)
	errRefused = fmt.Errorf("reading: %w (403)", vault.ErrPolicy)
	errEnded   = fmt.Errorf("reading: %w (403): %w", vault.ErrPolicy, vault.ErrEnded)
	errAbsent  = fmt.Errorf("reading: %w (404)", vault.ErrNotFound)
	errLogin   = fmt.Errorf("logging in: %w (403)", vault.ErrLogin)
)

// double is a Vault on a simulated clock that counts what it is asked.
type double struct {
	mu      sync.Mutex
	value   string
	takes   time.Duration // each request
	lasts   time.Duration // a login's token
	logins  int
	reads   int
	without int              // reads that leave out what is refused
	login   error            // how logins end
	read    error            // how reads end
	refuse  map[string]error // how the reads of a pod end
	barred  map[string]error // how the logins of a pod end
	readers map[string]int   // reads by pod
	during  func(pod string) // called within a read
	broken  vault.Breaker
}

func newDouble() *double {
	return &double{
		value: "first", takes: 4 * time.Millisecond, lasts: 20 * time.Minute,
		refuse: map[string]error{}, barred: map[string]error{}, readers: map[string]int{},
	}
}

// change changes the double as a whole.
func (d *double) change(how func(*double)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

// counts are the logins and reads so far.
func (d *double) counts() [2]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return [2]int{d.logins, d.reads}
}

// way is the double as one pod's.
type way struct {
	*double
	pod string
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", vault.ErrUnavailable, ctx.Err())
	}
}

func (w way) Login(ctx context.Context) (vault.Login, error) {
	w.mu.Lock()
	w.logins++
	takes, lasts, err := w.takes, w.lasts, errors.Join(w.login, w.barred[w.pod])
	w.mu.Unlock()
	if err := wait(ctx, takes); err != nil {
		return vault.Login{}, err
	}
	return vault.Login{Lasts: lasts, RequestID: "a login"}, err
}

func (w way) Logout(context.Context, vault.Token) {}

// Read answers with what is there in the middle of the time that it takes, as a Vault would.
func (w way) Read(ctx context.Context, _ vault.Token, without bool) (secret.Value, error) {
	w.mu.Lock()
	w.reads++
	w.readers[w.pod]++
	if without {
		w.without++
	}
	during := w.during
	w.mu.Unlock()
	if during != nil {
		during(w.pod)
	}
	w.mu.Lock()
	takes := w.takes
	w.mu.Unlock()
	if err := wait(ctx, takes/2); err != nil {
		return secret.Value{}, err
	}
	w.mu.Lock()
	value, err := w.value, errors.Join(w.read, w.refuse[w.pod])
	w.mu.Unlock()
	if err := wait(ctx, takes/2); err != nil {
		return secret.Value{}, err
	}
	if without {
		return secret.NewString("what is left"), nil
	}
	if err != nil {
		return secret.Value{}, err
	}
	return secret.NewString(value), nil
}

// node is a Store with its Vault.
type node struct {
	*session.Store
	t     *testing.T
	vault *double
}

// simulated runs test on a simulated clock, with a Store that has been there for a while.
func simulated(t *testing.T, test func(*node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, session.Options{})
		defer n.Close()
		time.Sleep(time.Hour)
		test(n)
	})
}

func start(t *testing.T, o session.Options) *node {
	o.Decided = func(err error) bool { return errors.Is(err, vault.ErrPolicy) || errors.Is(err, vault.ErrNotFound) }
	return &node{Store: session.New(o), t: t, vault: newDouble()}
}

const (
	interval = 5 * time.Minute
	poll     = 75 * time.Second // how often the kubelet asks
)

// visit is a call for the volume of a replica, with its only token.
func (n *node) visit(pod string) session.Visit {
	return session.Visit{
		Pod:     badge.Pod{Namespace: "gtc-prod--acme--sales", ServiceAccount: "gtc.acme.sales", Name: pod, UID: "uid-of-" + pod},
		Request: session.Request{1}, Proof: secret.NewString("token of " + pod), Scope: "prod/acme/sales", Connection: "default",
		Policy: session.Policy{Interval: interval, MaxStale: time.Hour, Silence: 15 * time.Minute},
		Vault:  way{n.vault, pod}, Breaker: &n.vault.broken,
	}
}

// ask visits with a mount's deadline.
func (n *node) ask(v session.Visit) (session.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 55*time.Second)
	defer cancel()
	return n.Answer(ctx, v)
}

// want asks and compares.
func (n *node) want(v session.Visit, value string, from session.From) session.Answer {
	n.t.Helper()
	a, err := n.ask(v)
	require.NoError(n.t, err)
	assert.Equal(n.t, value, a.Bytes.RevealString())
	assert.Equal(n.t, from, a.From)
	return a
}
