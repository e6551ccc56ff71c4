package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
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
}

// meanings is the only place where errors become gRPC codes. Of several faults the first row that matches counts.
//
// The codes are chosen for what the kubelet and the driver make of them. Unavailable, ResourceExhausted, DeadlineExceeded, Aborted and
// Canceled never occur: the kubelet calls them undecided and keeps the volume's folder, the driver (1.6) takes the fresh folder for a
// fresh mount, and the pod starts without its secrets. All of these codes make the kubelet remove the folder and try again.
var meanings = []meaning{
	{params.ErrInvalid, codes.InvalidArgument, "parameters"},
	{mount.ErrInvalid, codes.InvalidArgument, "request"},
	{errUnknownConnection, codes.InvalidArgument, "connection"},

	{badge.ErrDenied, codes.PermissionDenied, "badge"},
	{badge.ErrToken, codes.PermissionDenied, "token"},
	{mount.ErrTokens, codes.PermissionDenied, "token"},
	{errNotServed, codes.PermissionDenied, "scope"},
	{errIdentity, codes.PermissionDenied, "identity"},
	{vault.ErrPolicy, codes.PermissionDenied, "policy"},

	{mount.ErrKubelet, codes.FailedPrecondition, "kubelet"},
	{mount.ErrNoToken, codes.FailedPrecondition, "no_token"},
	{vault.ErrUnavailable, codes.FailedPrecondition, "unavailable"},
	{vault.ErrRedirect, codes.FailedPrecondition, "redirect"},
	{vault.ErrMount, codes.FailedPrecondition, "vault_setup"},
	{context.DeadlineExceeded, codes.FailedPrecondition, "deadline"},
	{context.Canceled, codes.FailedPrecondition, "canceled"},

	{vault.ErrLogin, codes.Unauthenticated, "login"},
	{vault.ErrRole, codes.Unauthenticated, "role"},

	{mount.ErrTooLarge, codes.OutOfRange, "too_large"},
	{fetch.ErrTooMuch, codes.OutOfRange, "too_large"},

	{vault.ErrAnswer, codes.Internal, "answer"},
	{record.ErrAnswer, codes.Internal, "answer"},

	{record.ErrCorrupt, codes.DataLoss, "record"},
	{vault.ErrCiphertext, codes.DataLoss, "record"},

	{vault.ErrNotFound, codes.NotFound, "absent"},
	{record.ErrNotFound, codes.NotFound, "absent"},
	{object.ErrNoKey, codes.NotFound, "absent"},
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
