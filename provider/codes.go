package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// meaning is what an error means: to the kubelet a code, and to whoever watches the metrics a word.
type meaning struct {
	err    error
	code   codes.Code
	reason string
	// decided is Vault's word on this pod or secret: the last answer does not stand in for it. All else passes by itself or waits for
	// somebody, and a login's refusal says nothing: it looks the same when Vault cannot ask the Kubernetes API.
	decided bool
}

// meanings is the only place where errors become gRPC codes. Of several faults the first row that matches counts.
//
// The codes are chosen for what the kubelet and the driver make of them. Unavailable, ResourceExhausted, DeadlineExceeded, Aborted and
// Canceled never occur: the kubelet calls them undecided and keeps the volume's folder, the driver (1.6) takes the fresh folder for a
// fresh mount, and the pod starts without its secrets. All of these codes make the kubelet remove the folder and try again.
var meanings = []meaning{
	{params.ErrInvalid, codes.InvalidArgument, "parameters", false},
	{mount.ErrInvalid, codes.InvalidArgument, "request", false},
	{errUnknownConnection, codes.InvalidArgument, "connection", false},
	{config.ErrRefresh, codes.InvalidArgument, "refresh", false},

	{badge.ErrDenied, codes.PermissionDenied, "badge", false},
	{badge.ErrToken, codes.PermissionDenied, "token", false},
	{mount.ErrTokens, codes.PermissionDenied, "token", false},
	{errNotServed, codes.PermissionDenied, "scope", false},
	{errIdentity, codes.PermissionDenied, "identity", true},
	{vault.ErrPolicy, codes.PermissionDenied, "policy", true},

	{mount.ErrKubelet, codes.FailedPrecondition, "kubelet", false},
	{mount.ErrNoToken, codes.FailedPrecondition, "no_token", false},
	{vault.ErrUnavailable, codes.FailedPrecondition, "unavailable", false},
	{vault.ErrRedirect, codes.FailedPrecondition, "redirect", false},
	{vault.ErrMount, codes.FailedPrecondition, "vault_setup", false},
	{vault.ErrBatch, codes.FailedPrecondition, "batch_role", false},
	{config.ErrNoRepublish, codes.FailedPrecondition, "no_republish", false},
	{vault.ErrIssue, codes.FailedPrecondition, "engine", false},
	{fetch.ErrKind, codes.FailedPrecondition, "raw_path_kind", false},
	{context.DeadlineExceeded, codes.FailedPrecondition, "deadline", false},
	{context.Canceled, codes.FailedPrecondition, "canceled", false},

	{vault.ErrLogin, codes.Unauthenticated, "login", false},
	{vault.ErrRole, codes.Unauthenticated, "role", true},

	{mount.ErrTooLarge, codes.OutOfRange, "too_large", false},
	{fetch.ErrTooMuch, codes.OutOfRange, "too_large", false},

	{vault.ErrAnswer, codes.Internal, "answer", false},
	{record.ErrAnswer, codes.Internal, "answer", false},

	{record.ErrCorrupt, codes.DataLoss, "record", false},
	{vault.ErrCiphertext, codes.DataLoss, "record", false},

	{vault.ErrNotFound, codes.NotFound, "absent", true},
	{record.ErrNotFound, codes.NotFound, "absent", true},
	{object.ErrNoKey, codes.NotFound, "absent", true},
}

// meaningOf is err's row; nil is success. An error that the table does not know is a bug, and its text, which nobody has looked at, is
// told to nobody.
func meaningOf(err error) meaning {
	if err == nil {
		return meaning{code: codes.OK, reason: "ok"}
	}
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			return m
		}
	}
	return meaning{err: errBug, code: codes.Internal, reason: "bug"}
}

// isDecided reports whether any of err's faults is.
func isDecided(err error) bool {
	for _, m := range meanings {
		if m.decided && errors.Is(err, m.err) {
			return true
		}
	}
	return false
}

var errBug = errors.New("a bug in the provider")

// textOf is what a pod's owner reads of err in an event.
func textOf(err error) string {
	if errors.Is(meaningOf(err).err, errBug) {
		return fmt.Sprintf("%v: an error of type %T that it has no meaning for; report it", errBug, err)
	}
	return oneLine(err)
}

// oneLine is a joined error's text, for an event and for a log.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// statusOf is err as the driver is told it.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(meaningOf(err).code, textOf(err))
}
