package vault_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

const goodLease = `{"lease_id":"database/creds/a/canary-lease","lease_duration":3600,"renewable":true,"data":{"username":"u","password":"p"}}`

// service logs in at a double of its own for a token that Vault keeps.
func service(t *testing.T) vault.Token {
	t.Helper()
	text := strings.NewReplacer(`"batch"`, `"service"`, `"metadata"`, `"lease_duration":1200,"metadata"`).Replace(goodLogin)
	answer, err := login(t, connect(t, options(t, serve(t, says(200, text)))))
	require.NoError(t, err)
	assert.Equal(t, 20*time.Minute, answer.Token.Lasts())
	return answer.Token
}

func TestIssue(t *testing.T) {
	d := serve(t, says(200, goodLease))
	c := connect(t, options(t, d))
	issued, err := c.Issue(deadline(t, time.Second), token(t), vault.Ask{Path: "database/creds/a", Args: map[string]string{"ttl": "1 h&x=y"}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"username":"u","password":"p"}`, issued.Data.RevealString())
	assert.Equal(t, "database/creds/a/canary-lease", issued.Lease)
	assert.Equal(t, time.Hour, issued.Lasts)
	assert.True(t, issued.Renewable)
	_, err = c.Issue(deadline(t, time.Second), token(t), vault.Ask{Path: "pki/issue/a", Write: true, Args: map[string]string{"common_name": "x"}})
	require.NoError(t, err)
	_, err = c.Issue(deadline(t, time.Second), token(t), vault.Ask{Path: "pki/issue/a", Write: true})
	require.NoError(t, err)

	asked := d.asked()
	assert.Equal(t, http.MethodGet, asked[0].method)
	assert.Equal(t, "/v1/database/creds/a", asked[0].path)
	assert.Equal(t, "ttl=1+h%26x%3Dy", asked[0].query)
	assert.Equal(t, http.MethodPut, asked[1].method)
	assert.Equal(t, map[string]any{"common_name": "x"}, asked[1].body)
	assert.Equal(t, http.MethodPut, asked[2].method, "a write without anything to send is a write")
	for _, a := range asked {
		assert.Equal(t, vaultToken, a.header.Get("X-Vault-Token"))
		assert.Equal(t, pod.Namespace+"/"+pod.Name+"/"+pod.UID, a.header.Get("X-Greentic-Pod"))
	}

	_, err = c.Issue(deadline(t, time.Second), token(t), vault.Ask{Path: "a/../sys/raw"})
	require.ErrorIs(t, err, vault.ErrOptions)
	assert.Len(t, d.asked(), 3)
}

// Each row is one answer to one request on leases.
func TestLeasesAreRefused(t *testing.T) {
	kept := service(t)
	for name, row := range map[string]struct {
		ask    func(context.Context, *vault.Client) error
		status int
		body   string
		is     error
		says   string
	}{
		"issue: policy":      {issue, 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, `reading "database/creds/a": vault's policy refuses the request (403): run`},
		"issue: no mount":    {issue, 404, `{"errors":["no handler for route \"x\". route entry not found."]}`, vault.ErrMount, "nothing is mounted there"},
		"issue: absent":      {issue, 404, `{"errors":[]}`, vault.ErrNotFound, "(404)"},
		"issue: another's":   {issue, 404, mark, vault.ErrAnswer, "not the JSON object"},
		"issue: 405":         {issue, 405, `{"errors":["` + mark + `"]}`, vault.ErrIssue, "correct its method under rawPaths"},
		"issue: no role":     {issue, 400, `{"errors":["unknown role: ` + mark + `"]}`, vault.ErrIssue, "its role is not there, or does not allow"},
		"issue: nothing":     {issue, 204, "", vault.ErrIssue, "answers nothing"},
		"issue: no data":     {issue, 200, `{"lease_id":"x"}`, vault.ErrAnswer, "it has no data"},
		"issue: a list":      {issue, 200, `{"data":["` + mark + `"]}`, vault.ErrAnswer, "it has no data"},
		"issue: no lease id": {issue, 200, `{"data":{},"lease_id":1}`, vault.ErrAnswer, "lease_id that is text"},
		"issue: a lease id that is two lines": {
			issue, 200, `{"data":{},"lease_id":"a\nb"}`, vault.ErrAnswer, "lease_id that is text",
		},
		"issue: a lease id without end": {issue, 200, `{"data":{},"lease_id":"` + strings.Repeat("x", 3000) + `"}`, vault.ErrAnswer, "lease_id that is text"},
		"issue: a duration of text":     {issue, 200, `{"data":{},"lease_duration":"1h"}`, vault.ErrAnswer, "lease_duration that is a number"},
		"issue: renewable of text":      {issue, 200, `{"data":{},"renewable":"yes"}`, vault.ErrAnswer, "renewable that is true or false"},
		"issue: down":                   {issue, 500, `{"errors":["` + mark + `"]}`, vault.ErrUnavailable, "it answered 500"},
		"renew: policy":                 {renew(kept), 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, "renewing a lease: vault's policy refuses the request (403): the token has ended"},
		"renew: gone":                   {renew(kept), 400, `{"errors":["lease not found"]}`, vault.ErrLease, "it has ended, or cannot be renewed"},
		"renew: sealed":                 {renew(kept), 503, `{"errors":["Vault is sealed"]}`, vault.ErrUnavailable, "it is sealed"},
		"renew: 204":                    {renew(kept), 204, ``, vault.ErrAnswer, "status 204"},
		"token: policy":                 {renewSelf(kept), 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, "renewing the token: "},
		"token: gone":                   {renewSelf(kept), 400, `{"errors":["` + mark + `"]}`, vault.ErrLease, "(400)"},
		"token: no auth":                {renewSelf(kept), 200, `{"auth":null}`, vault.ErrAnswer, "it has no auth"},
		"token: renewable of text":      {renewSelf(kept), 200, `{"auth":{"renewable":"` + mark + `"}}`, vault.ErrAnswer, "auth.renewable"},
		"token: a batch token":          {renewSelf(token(t)), 200, goodLogin, vault.ErrBatch, "run `gtc-deployer vault apply --leased SCOPE`"},
		"revoke: policy":                {revoke(kept), 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, "revoking a lease: "},
		"revoke: gone":                  {revoke(kept), 400, `{"errors":["` + mark + `"]}`, vault.ErrLease, "(400)"},
		"revoke: somebody else's":       {revoke(kept), 418, mark, vault.ErrAnswer, "status 418"},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.ask(deadline(t, 10*time.Second), connect(t, options(t, serve(t, says(row.status, row.body)))))
			require.ErrorIs(t, err, row.is)
			assert.ErrorContains(t, err, row.says)
			quiet(t, err)
			assert.NotContains(t, err.Error(), "canary-lease")
		})
	}
}

func issue(ctx context.Context, c *vault.Client) error {
	_, err := c.Issue(ctx, vault.Token{}, vault.Ask{Path: "database/creds/a"})
	return err
}

func renew(t vault.Token) func(context.Context, *vault.Client) error {
	return func(ctx context.Context, c *vault.Client) error {
		_, err := c.RenewLease(ctx, t, "database/creds/a/canary-lease", time.Hour)
		return err
	}
}

func renewSelf(t vault.Token) func(context.Context, *vault.Client) error {
	return func(ctx context.Context, c *vault.Client) error {
		_, err := c.RenewSelf(ctx, t)
		return err
	}
}

func revoke(t vault.Token) func(context.Context, *vault.Client) error {
	return func(ctx context.Context, c *vault.Client) error {
		return c.RevokeLease(ctx, t, "database/creds/a/canary-lease")
	}
}

func TestRenewals(t *testing.T) {
	kept := service(t)
	d := serve(t, inTurn(
		says(200, `{"lease_id":"database/creds/a/canary-lease","lease_duration":600,"renewable":true,"data":null}`),
		says(200, `{"auth":{"client_token":"x","lease_duration":1200,"renewable":true}}`), says(204, ""),
	))
	c := connect(t, options(t, d))
	ctx := deadline(t, time.Second)
	got, err := c.RenewLease(ctx, kept, "database/creds/a/canary-lease", time.Hour)
	require.NoError(t, err)
	assert.Equal(t, vault.Renewed{Lasts: 10 * time.Minute, Renewable: true}, got)
	got, err = c.RenewSelf(ctx, kept)
	require.NoError(t, err)
	assert.Equal(t, vault.Renewed{Lasts: 20 * time.Minute, Renewable: true}, got)
	require.NoError(t, c.RevokeLease(ctx, kept, "database/creds/a/canary-lease"))
	asked := d.asked()
	assert.Equal(t, "/v1/sys/leases/renew", asked[0].path)
	assert.Equal(t, map[string]any{"lease_id": "database/creds/a/canary-lease", "increment": 3600.0}, asked[0].body)
	assert.Equal(t, "/v1/auth/token/renew-self", asked[1].path)
	assert.Equal(t, "/v1/sys/leases/revoke", asked[2].path)
	assert.Equal(t, "database/creds/a/canary-lease", asked[2].body["lease_id"])
}

func TestTokensAreToldApart(t *testing.T) {
	a, b := service(t), token(t)
	same := a.Copy()
	assert.True(t, a.Equal(same))
	assert.False(t, vault.Token{}.Equal(vault.Token{}), "no token is no token's equal")
	assert.False(t, a.Equal(vault.Token{}))
	assert.False(t, b.IsZero())
	same.Wipe()
	assert.True(t, same.IsZero())
	assert.False(t, a.IsZero())
	assert.Zero(t, b.Lasts())
}
