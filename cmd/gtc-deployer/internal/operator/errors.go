package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// What can be wrong with a connection or an answer; every error of this package is one of them (errors.Is).
var (
	ErrOptions     = errors.New("invalid vault connection")
	ErrUnreachable = errors.New("vault cannot be reached")
	ErrSealed      = errors.New("vault is sealed, standing by or not initialised")
	ErrDenied      = errors.New("vault refuses the operator's token")
	ErrConflict    = errors.New("somebody else wrote in between")
	ErrRefused     = errors.New("vault refuses the request")
	ErrBusy        = errors.New("vault is too busy")
	ErrAnswer      = errors.New("vault's answer cannot be understood")
)

// StatusError is an answer that is neither a success nor "not found".
type StatusError struct {
	Method string // GET or POST
	Path   string // below /v1/
	Status int    // HTTP status
	kind   error
	hint   string
}

// Error names the request, the status and the next step; nothing of the answer's body.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %v (HTTP %d): %s", e.Method, e.Path, e.kind, e.Status, e.hint)
}

// Unwrap is the sentinel of this package that the status stands for.
func (e *StatusError) Unwrap() error { return e.kind }

// Vault's own words where its status does not tell: a failed check-and-set is a 400 like any other, and a path without a mount is a
// 404 like a missing secret.
const (
	checkAndSet = "check-and-set parameter did not match the current version"
	noRoute     = "no handler for route"
)

func statusError(method, path string, status int, said []string) *StatusError {
	e := &StatusError{Method: method, Path: path, Status: status}
	switch {
	case status == http.StatusForbidden:
		e.kind, e.hint = ErrDenied, "the token is not valid here, or its policies do not allow this path; give one that may (VAULT_TOKEN or ~/.vault-token)"
	case status == http.StatusTooManyRequests:
		e.kind, e.hint = ErrBusy, "wait a moment and run the command again: what is done stays done"
	case status >= 300 && status < 400:
		e.kind, e.hint = ErrRefused, "it points to another address, and the token is not sent there: name the active node's address with --vault-addr"
	case status == http.StatusServiceUnavailable || status == 472 || status == 473 || status == 501:
		e.kind, e.hint = ErrSealed, "unseal it or name the active node's address with --vault-addr, then run the command again"
	case status == http.StatusBadRequest && mentions(said, checkAndSet):
		e.kind, e.hint = ErrConflict, "look at what is there now and run the command again"
	case status == http.StatusNotFound:
		e.kind, e.hint = ErrRefused, "nothing is mounted there: run `gtc-deployer vault apply`"
	case status >= 500:
		e.kind, e.hint = ErrAnswer, "vault's own log has the reason; run the command again when it is mended"
	default:
		e.kind, e.hint = ErrRefused, "vault's audit log has the reason under this path"
	}
	return e
}

func mentions(said []string, text string) bool {
	for _, s := range said {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}
