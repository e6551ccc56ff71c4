package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Token is a Vault token and whom it was got for. The zero value opens nothing.
type Token struct {
	value secret.Value
	pod   Pod
	kept  bool // Vault keeps it until it ends or is revoked; a batch token is kept nowhere
	lasts time.Duration
}

// Login is what Vault answered to a login.
type Login struct {
	Token Token
	// Role, Namespace and ServiceAccount are the identity that Vault names; empty where it names none. The kubernetes method names all,
	// the jwt method what the role's claim_mappings say.
	Role, Namespace, ServiceAccount string
	// Lasts is how long Vault takes the token; 0 is not told.
	Lasts time.Duration
	// RequestID is Vault's id of the login in its audit log, or empty.
	RequestID string
}

// maxToken is the longest token that is believed; batch tokens have some hundred bytes.
const maxToken = 8 << 10

// Login shows Vault the pod's own token and asks for role. The method of the auth mount, kubernetes or jwt, makes no difference here.
func (c *Client) Login(ctx context.Context, pod Pod, role string, jwt secret.Value) (Login, error) {
	mount := "auth/" + c.options.AuthMount
	what := fmt.Sprintf("logging in at %s as role %q", mount, role)
	body, err := json.Marshal(struct { //nolint:gosec // a login is to show the token
		Role string `json:"role"`
		JWT  string `json:"jwt"`
	}{role, jwt.RevealString()})
	if err != nil {
		return Login{}, fmt.Errorf("%s: encoding the request: %w", what, err)
	}
	answer, err := c.do(ctx, request{kind: KindLogin, path: mount + "/login", body: body, pod: pod})
	if err != nil {
		return Login{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := refusedLogin(what, mount, answer); err != nil {
		return Login{}, err
	}
	envelope, err := open(what, answer)
	if err != nil {
		return Login{}, err
	}
	login, err := readLogin(what, envelope)
	login.Token.pod = pod
	return login, err
}

// readLogin reads who was let in, and with what. A name of the identity that is not text must not pass for one that is not told.
func readLogin(what string, envelope exactjson.Object) (Login, error) {
	auth, err := envelope.Object(fieldAuth)
	if err != nil {
		return Login{}, lacks(what, "auth")
	}
	token, err := auth.Text("client_token")
	if err != nil || !visible(token) {
		return Login{}, lacks(what, "auth.client_token")
	}
	var metadata exactjson.Object
	if auth.Has("metadata") {
		if metadata, err = auth.Object("metadata"); err != nil {
			return Login{}, lacks(what, "auth.metadata that is an object")
		}
	}
	var l Login
	var kind, id string
	for _, field := range []struct {
		in   exactjson.Object
		name string
		into *string
	}{
		{auth, "token_type", &kind}, {envelope, fieldRequestID, &id},
		{metadata, "role", &l.Role}, {metadata, "service_account_namespace", &l.Namespace}, {metadata, "service_account_name", &l.ServiceAccount},
	} {
		if *field.into, err = optional(field.in, field.name); err != nil {
			return Login{}, lacks(what, field.name+" that is text")
		}
	}
	l.Token = Token{value: secret.NewString(token), kept: kind != "batch"}
	l.RequestID = requestID(id)
	l.Lasts, err = lifetime(what, auth)
	l.Token.lasts = l.Lasts
	return l, err
}

// refusedLogin knows Vault's refusals. A 403 is undecided: a foreign identity, an ended pod, a Vault that cannot ask the Kubernetes API
// and a mount that is not there look the same.
func refusedLogin(what, mount string, answer reply) error {
	switch {
	case answer.status == http.StatusForbidden:
		return fmt.Errorf("%s: %w (403): the role does not bind this namespace and ServiceAccount, or the pod has ended, "+
			"or Vault cannot ask the Kubernetes API, or nothing is mounted at %s; run `gtc-deployer vault apply` and see Vault's log", what, ErrLogin, mount)
	case noRoute(answer):
		return fmt.Errorf("%s: %w (404): nothing is mounted at %s; run `gtc-deployer vault apply`", what, ErrMount, mount)
	case answer.status != http.StatusBadRequest:
		return nil
	case says(answer.body, "invalid role name"), says(answer.body, "could not be found"):
		return fmt.Errorf("%s: %w (400): run `gtc-deployer vault apply`", what, ErrRole)
	case says(answer.body, "could not load"):
		return fmt.Errorf("%s: %w (400): %s has no configuration; run `gtc-deployer vault apply`", what, ErrMount, mount)
	default:
		return fmt.Errorf("%s: %w (400): the role does not take this token's audience, issuer, subject or age; "+
			"run `gtc-deployer vault apply` and see Vault's log", what, ErrLogin)
	}
}

// visible reports whether a token can stand in a header.
func visible(token string) bool {
	return token != "" && len(token) <= maxToken &&
		strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// Revoke ends a token that Vault keeps; it does nothing for a batch token, which cannot be revoked. A role whose policy does not allow
// revoke-self refuses: then the token ends by its own age.
func (c *Client) Revoke(ctx context.Context, token Token) error {
	const what = "revoking the token"
	if !token.kept {
		return nil
	}
	r := request{kind: KindRevoke, path: "auth/token/revoke-self", body: []byte("{}"), pod: token.pod, token: token.value}
	answer, err := c.do(ctx, r)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case answer.status == http.StatusForbidden:
		return fmt.Errorf("%s: %w (403)", what, ErrPolicy)
	case answer.status != http.StatusNoContent && answer.status != http.StatusOK:
		return unexpected(what, answer)
	}
	return nil
}
