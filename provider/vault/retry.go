package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Retry says how long a try may take and how often a request is tried. Whatever it says, the caller's deadline ends everything.
type Retry struct {
	// Timeout is for one try at one address; 0 is 15 s.
	Timeout time.Duration
	// Rounds is how often each address is tried; 0 is 6.
	Rounds int
	// Pause is what is waited after the first round, doubled after each further one up to 2 s, and jittered by half; 0 is 100 ms.
	Pause time.Duration
}

const longestPause = 2 * time.Second

func (r Retry) withDefaults() Retry {
	if r.Timeout <= 0 {
		r.Timeout = 15 * time.Second
	}
	if r.Rounds <= 0 {
		r.Rounds = 6
	}
	if r.Pause <= 0 {
		r.Pause = 100 * time.Millisecond
	}
	return r
}

// failure is a try that may go better the next time.
type failure struct {
	sentinel error  // what the request ends with if it does not
	text     string // what happened, without a word of Vault's
	after    time.Duration
}

// Error is what failed, in words of ours.
func (f *failure) Error() string { return f.text }

// Unwrap is one of the package's errors.
func (f *failure) Unwrap() error { return f.sentinel }

// do asks r until there is an answer that another try would not change.
func (c *Client) do(ctx context.Context, r request) (reply, error) {
	first, n := int(c.preferred.Load()), len(c.addresses)
	for try := 0; ; try++ {
		at := (first + try) % n
		answer, err := c.follow(ctx, c.addresses[at], r)
		failed, final := judge(ctx, answer, err)
		switch {
		case final != nil:
			return reply{}, final
		case failed == nil:
			c.preferred.Store(int64(at))
			return answer, nil
		case try+1 == n*c.options.Retry.Rounds || !c.pause(ctx, try, failed):
			return reply{}, c.gaveUp(at, try+1, failed)
		}
	}
}

// pause waits before the try after this one; it reports whether the deadline leaves time for that.
func (c *Client) pause(ctx context.Context, try int, failed *failure) bool {
	round := (try + 1) / len(c.addresses)
	if (try+1)%len(c.addresses) != 0 && failed.after == 0 {
		return ctx.Err() == nil // the next address has not failed yet
	}
	wait := longestPause
	if shift := max(round-1, 0); shift < 16 {
		wait = min(c.options.Retry.Pause<<shift, longestPause)
	}
	wait = max(wait/2+rand.N(wait), failed.after) //nolint:gosec // jitter needs no secrecy
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) gaveUp(at, tries int, failed *failure) error {
	return fmt.Errorf("%w: %s: %s (tried %d times); check that Vault runs, is unsealed and can be reached from the node",
		failed.sentinel, c.addresses[at].base.Redacted(), failed.text, tries)
}

// judge sorts a try: answered (both nil), failed for now, or failed for good.
func judge(ctx context.Context, answer reply, err error) (*failure, error) {
	switch {
	case err == nil:
		return judgeStatus(answer), nil
	case errors.Is(err, ErrRedirect):
		return nil, fmt.Errorf("%w, or in a circle; it was not followed: add that address to the connection's addresses if it is the same Vault", ErrRedirect)
	case errors.Is(err, errTooLong):
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrAnswer, MaxAnswer)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: the time for the mount ended before it answered: %w", ErrUnavailable, ctx.Err())
	case errors.Is(err, io.ErrUnexpectedEOF) && answer.status != 0:
		return &failure{sentinel: ErrAnswer, text: "its answer was cut short"}, nil
	default:
		return &failure{sentinel: ErrUnavailable, text: connectionText(err)}, nil
	}
}

func judgeStatus(answer reply) *failure {
	switch {
	case answer.status == http.StatusServiceUnavailable && says(answer.body, "Vault is sealed"):
		return &failure{sentinel: ErrUnavailable, text: "it is sealed (503)"}
	case answer.status == http.StatusTooManyRequests:
		return &failure{sentinel: ErrUnavailable, text: "it limits the rate of requests (429)", after: answer.retryAfter}
	case answer.status == http.StatusPreconditionFailed, answer.status >= 500 && answer.status <= 599:
		return &failure{sentinel: ErrUnavailable, text: fmt.Sprintf("it answered %d", answer.status), after: answer.retryAfter}
	default:
		return nil
	}
}

// connectionText names what went wrong in words of our own: an error of the HTTP library may quote what the server sent.
func connectionText(err error) string {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		clear     tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "the connection was closed"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.As(err, &name):
		return "its host name does not resolve"
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that the connection's caCert does not hold"
	case errors.As(err, &host):
		return "its certificate is for another host name"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.As(err, &clear):
		return "it does not speak TLS; is the address http?"
	default:
		return "the connection failed"
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
