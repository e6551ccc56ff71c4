package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Renewed is what a renewal has brought.
type Renewed struct {
	Lasts     time.Duration // from now on; shorter than what was asked for where the longest life is near
	Renewable bool
}

// RenewLease asks for lasts more of a lease.
// See https://developer.hashicorp.com/vault/api-docs/system/leases#renew-lease.
func (c *Client) RenewLease(ctx context.Context, token Token, lease string, lasts time.Duration) (Renewed, error) {
	const what = "renewing a lease"
	answer, err := c.lease(ctx, KindRenew, "sys/leases/renew", token, map[string]any{
		"lease_id": lease, "increment": int64(lasts / time.Second),
	})
	if err != nil {
		return Renewed{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := refusedRenewal(what, answer); err != nil {
		return Renewed{}, err
	}
	envelope, err := open(what, answer)
	if err != nil {
		return Renewed{}, err
	}
	_, left, renewable, err := readLease(what, envelope)
	return Renewed{Lasts: left, Renewable: renewable}, err
}

// RevokeLease ends a lease and what it stands for. A role whose policy does not allow it refuses: then the lease ends by its own age.
func (c *Client) RevokeLease(ctx context.Context, token Token, lease string) error {
	const what = "revoking a lease"
	answer, err := c.lease(ctx, KindRevoke, "sys/leases/revoke", token, map[string]any{"lease_id": lease, "sync": true})
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case answer.status == http.StatusForbidden:
		return fmt.Errorf("%s: %w (403)", what, ErrPolicy)
	case answer.status == http.StatusBadRequest:
		return fmt.Errorf("%s: %w (400)", what, ErrLease)
	case answer.status != http.StatusNoContent && answer.status != http.StatusOK:
		return unexpected(what, answer)
	}
	return nil
}

// RenewSelf asks for more of a token that Vault keeps, and so of all leases that it carries.
func (c *Client) RenewSelf(ctx context.Context, token Token) (Renewed, error) {
	const what = "renewing the token"
	if !token.kept {
		return Renewed{}, fmt.Errorf("%s: %w; run `gtc-deployer vault apply --leased SCOPE`", what, ErrBatch)
	}
	answer, err := c.lease(ctx, KindRenew, "auth/token/renew-self", token, map[string]any{})
	if err != nil {
		return Renewed{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := refusedRenewal(what, answer); err != nil {
		return Renewed{}, err
	}
	envelope, err := open(what, answer)
	if err != nil {
		return Renewed{}, err
	}
	auth, err := envelope.Object(fieldAuth)
	if err != nil {
		return Renewed{}, lacks(what, fieldAuth)
	}
	var renewable bool
	if auth.Has("renewable") && auth.Read("renewable", &renewable) != nil {
		return Renewed{}, lacks(what, "auth.renewable that is true or false")
	}
	lasts, err := lifetime(what, auth)
	return Renewed{Lasts: lasts, Renewable: renewable}, err
}

func (c *Client) lease(ctx context.Context, kind Kind, path string, token Token, fields map[string]any) (reply, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return reply{}, fmt.Errorf("encoding the request: %w", err)
	}
	return c.do(ctx, request{kind: kind, path: path, body: body, pod: token.pod, token: token.value})
}

// refusedRenewal knows Vault's refusals: a 403 is a token that has ended, or a policy; a 400 a lease that has ended, or cannot be renewed.
func refusedRenewal(what string, answer reply) error {
	switch answer.status {
	case http.StatusForbidden:
		return fmt.Errorf("%s: %w (403): the token has ended, or its policy lacks the renewal; run `gtc-deployer vault apply`", what, ErrPolicy)
	case http.StatusBadRequest, http.StatusNotFound:
		return fmt.Errorf("%s: %w (%d): it has ended, or cannot be renewed", what, ErrLease, answer.status)
	default:
		return nil
	}
}
