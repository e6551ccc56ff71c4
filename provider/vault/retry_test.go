package vault_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestWhatPassesIsTriedAgain(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{
		"500": says(500, mark), "503": says(503, `{"errors":["Vault is sealed"]}`), "429": says(429, ""), "412": says(412, ""),
		"a closed connection": closed, "a hang": hang, "a body cut short": cutShort,
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, inTurn(bad, bad, says(200, goodLogin)))
			var mu sync.Mutex
			var events []int
			o := options(t, d)
			if name == "a hang" {
				o.Retry.Timeout = 100 * time.Millisecond
			}
			o.Observe = func(e vault.Event) {
				mu.Lock()
				defer mu.Unlock()
				assert.Equal(t, vault.KindLogin, e.Kind)
				events = append(events, e.Status)
			}
			_, err := login(t, connect(t, o))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, len(d.asked()), 3)
			assert.Len(t, events, 3, "each try is told of")
			assert.Equal(t, 200, events[2])
		})
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	busy := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		says(429, "")(w, r)
	}
	began := time.Now()
	_, err := login(t, connect(t, options(t, serve(t, inTurn(busy, says(200, goodLogin))))))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), time.Second)

	t.Run("but not beyond the deadline", func(t *testing.T) {
		began := time.Now()
		c := connect(t, options(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "60")
			says(429, "")(w, r)
		})))
		_, err := c.Login(deadline(t, 30*time.Second), pod, "r", secret.NewString(jwt))
		require.ErrorIs(t, err, vault.ErrUnavailable)
		assert.ErrorContains(t, err, "429")
		assert.Less(t, time.Since(began), 30*time.Second, "waiting would have been for nothing")
	})
}

func TestTheDeadlineEndsEverything(t *testing.T) {
	o := options(t, serve(t, hang))
	o.Retry.Timeout = time.Minute
	c := connect(t, o)
	for kind, ask := range operations(t, c) {
		began := time.Now()
		err := ask(deadline(t, 100*time.Millisecond))
		require.ErrorIs(t, err, vault.ErrUnavailable, "%s", kind)
		require.ErrorIs(t, err, context.DeadlineExceeded, "%s", kind)
		quiet(t, err)
		assert.Less(t, time.Since(began), 5*time.Second)
	}
}

func TestTheNextAddressTakesOver(t *testing.T) {
	down, good := serve(t, closed), serve(t, says(200, goodLogin))
	c := connect(t, options(t, down, good))
	for range 3 {
		_, err := login(t, c)
		require.NoError(t, err)
	}
	assert.Len(t, good.asked(), 3)
	first := len(down.asked())
	assert.Positive(t, first)
	_, err := login(t, c)
	require.NoError(t, err)
	assert.Len(t, down.asked(), first, "the address that answered last is asked first")
}

func TestAVaultThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	o := options(t)
	o.Addresses = []*url.URL{{Scheme: "http", Host: listener.Addr().String()}}
	_, err = login(t, connect(t, o))
	require.ErrorIs(t, err, vault.ErrUnavailable)
	assert.ErrorContains(t, err, "http://"+listener.Addr().String()+": connection refused (tried 3 times)")
	assert.ErrorContains(t, err, "check that Vault runs, is unsealed and can be reached from the node")
}

func TestRedirects(t *testing.T) {
	to := func(location func() string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location())
			w.WriteHeader(status)
		}
	}
	const loginPath = "/v1/auth/kubernetes/login"
	t.Run("to the connection's own", func(t *testing.T) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			active := serve(t, says(200, goodLogin))
			standby := serve(t, to(func() string { return active.URL + loginPath }, status))
			_, err := login(t, connect(t, options(t, standby, active)))
			require.NoError(t, err, "%d", status)
			require.Len(t, active.asked(), 1)
			assert.Equal(t, jwt, active.asked()[0].body["jwt"], "the question stays the same")
		}
	})
	stranger := serve(t, says(200, goodLogin))
	other := serve(t, says(200, goodLogin))
	var self *double
	for name, location := range map[string]func() string{
		"a stranger":            func() string { return stranger.URL + loginPath },
		"another host":          func() string { return "http://vault.invalid" + loginPath },
		"another scheme":        func() string { return "https" + other.URL[4:] + loginPath },
		"another path":          func() string { return other.URL + "/v1/auth/jwt/login" },
		"a user":                func() string { return "http://u@" + other.URL[7:] + loginPath },
		"itself, for ever":      func() string { return loginPath },
		"nowhere":               func() string { return "" },
		"what is no URL":        func() string { return "http://[" + mark },
		"an address that looks": func() string { return other.URL + "@" + stranger.URL[7:] + loginPath },
	} {
		t.Run("to "+name, func(t *testing.T) {
			self = serve(t, to(location, 307))
			err := operations(t, connect(t, options(t, self, other)))[vault.KindLogin](deadline(t, 5*time.Second))
			require.ErrorIs(t, err, vault.ErrRedirect)
			assert.ErrorContains(t, err, "it was not followed: add that address to the connection's addresses if it is the same Vault")
			quiet(t, err)
			assert.NotContains(t, err.Error(), stranger.URL)
		})
	}
	assert.Empty(t, stranger.asked(), "a token went to a stranger")
}

func TestTLS(t *testing.T) {
	d := &double{}
	server := httptest.NewUnstartedServer(d.remember(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor, "all pods share one connection")
		says(200, goodLogin)(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	d.Server = server
	o := options(t, d)
	o.RootCAs = x509.NewCertPool()
	o.RootCAs.AddCert(server.Certificate())
	c := connect(t, o)
	for range 3 {
		_, err := login(t, c)
		require.NoError(t, err)
	}

	t.Run("a certificate of nobody", func(t *testing.T) {
		o.RootCAs = x509.NewCertPool()
		_, err := login(t, connect(t, o))
		require.ErrorIs(t, err, vault.ErrUnavailable)
		assert.ErrorContains(t, err, "signed by an authority that the connection's caCert does not hold")
	})
	t.Run("a certificate for somebody else", func(t *testing.T) {
		o := o
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AddCert(server.Certificate())
		named := *o.Addresses[0]
		named.Host = "localhost:" + named.Port()
		o.Addresses = []*url.URL{&named}
		_, err := login(t, connect(t, o))
		require.ErrorIs(t, err, vault.ErrUnavailable)
		assert.ErrorContains(t, err, "certificate is for another host name")
	})
	t.Run("http spoken to https", func(t *testing.T) {
		o := o
		plain := *o.Addresses[0]
		plain.Scheme = "http"
		o.Addresses = []*url.URL{&plain}
		_, err := login(t, connect(t, o))
		require.Error(t, err)
		quiet(t, err)
	})
	t.Run("https spoken to http", func(t *testing.T) {
		clear := serve(t, says(200, goodLogin))
		secured := *clear.base(t)
		secured.Scheme = "https"
		o := o
		o.Addresses = []*url.URL{&secured}
		_, err := login(t, connect(t, o))
		require.ErrorIs(t, err, vault.ErrUnavailable)
		assert.ErrorContains(t, err, "it does not speak TLS")
	})
}
