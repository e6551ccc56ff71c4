package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// ask is a request to the provider before it is written on the wire: rows change one thing in it.
type ask struct {
	attributes, secrets map[string]string
}

// TestWall1 asks the provider over its socket for what a pod may not have. It is refused before Vault hears anything: nothing at all arrives there.
func TestWall1(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	front := w.newFront(t)
	second := w.toVault(front.URL)
	second.Name, second.Audience, second.Scopes = "second", "second-vault", []string{"prod/globex/*"}
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL), second))
	client := provider.client(t)

	secret := ref(t, env.sales, unique("wall1"), "token")
	w.put(t, secret, "sales' own")
	c := class{scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
	own, foreign := w.pod(t, env.sales, "class"), w.pod(t, env.support, "class")
	twin := w.pod(t, env.sales, "class") // another pod with the same badge
	ownToken := w.token(t, own)
	standing, err := w.Claims(t.Context(), own.Pod(), "vault", time.Now(), time.Hour)
	require.NoError(t, err)
	unsigned, err := lab.UnsignedToken(standing)
	require.NoError(t, err)

	claims := func(change func(map[string]any)) string { return w.signed(t, own, change) }
	token := func(text string) func(*ask) {
		return func(a *ask) { a.attributes[tokensKey] = tokens(t, text) }
	}
	set := func(key, value string) func(*ask) { return func(a *ask) { a.attributes[key] = value } }
	without := func(key string) func(*ask) { return func(a *ask) { delete(a.attributes, key) } }
	const pod = "csi.storage.k8s.io/"

	rows := []struct {
		name   string
		change func(*ask)
		code   codes.Code // OK is not refused
		says   string
	}{
		{name: "nothing changed", change: func(*ask) {}},
		{name: "the token in secrets", change: func(a *ask) {
			a.secrets = map[string]string{tokensKey: a.attributes[tokensKey]}
			delete(a.attributes, tokensKey)
		}},
		{name: "the token in both places", change: func(a *ask) { a.secrets = map[string]string{tokensKey: a.attributes[tokensKey]} }},
		{name: "a token signed like the API server's", change: token(claims(func(map[string]any) {}))},

		{"foreign scope", set("scope", env.support.String()), codes.PermissionDenied, `is proven by namespace "gtc-prod--acme--support"`},
		{"whole tenant's scope", set("scope", "prod/acme/_"), codes.PermissionDenied, `is proven by namespace "gtc-prod" and ServiceAccount "gtc.acme"`},
		{"foreign tenant's scope", set("scope", "prod/globex/sales"), codes.PermissionDenied, `is proven by namespace "gtc-prod--globex--sales"`},
		{
			"foreign reference", set("objects", `- ref: secret://prod/acme/support/zendesk/api_key`),
			codes.PermissionDenied, `objects[0].ref: "secret://prod/acme/support/zendesk/api_key" is outside the scope`,
		},
		{"another environment's reference", set("objects", `- ref: secret://dev/acme/sales/a/b`), codes.PermissionDenied, "objects[0].ref"},
		{"another tenant's reference", set("objects", `- ref: secret://prod/globex/sales/a/b`), codes.PermissionDenied, "objects[0].ref"},
		{"another tenant's whole", set("objects", `- ref: secret://prod/globex/_/a/b`), codes.PermissionDenied, "objects[0].ref"},
		{"foreign ServiceAccount", set(pod+"serviceAccount.name", "gtc.acme.support"), codes.PermissionDenied, `ServiceAccount "gtc.acme.support"`},
		{"foreign namespace", set(pod+"pod.namespace", "gtc-prod--acme--support"), codes.PermissionDenied, "scope: "},

		{"token of another team's pod", token(w.token(t, foreign)), codes.PermissionDenied, "it is another pod's token"},
		{"token of another pod of the team", token(w.token(t, twin)), codes.PermissionDenied, "its kubernetes.io.pod.uid is"},
		{"token of a pod of the same name, before this one", token(claims(func(c map[string]any) {
			c["kubernetes.io"].(map[string]any)["pod"] = map[string]any{"name": own.Pod().Name, "uid": "00000000-0000-0000-0000-000000000000"}
		})), codes.PermissionDenied, "its kubernetes.io.pod.uid is"},
		{"token bound to no pod", token(claims(func(c map[string]any) {
			delete(c["kubernetes.io"].(map[string]any), "pod")
		})), codes.PermissionDenied, "it is bound to no pod"},
		{"token for another audience", token(claims(func(c map[string]any) { c["aud"] = []string{"https://kubernetes.default.svc"} })),
			codes.PermissionDenied, "its audience is"},
		{"token that has expired", token(claims(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Second).Unix() })),
			codes.PermissionDenied, "it expired at"},
		{"token without an end", token(claims(func(c map[string]any) { delete(c, "exp") })), codes.PermissionDenied, "exp"},
		{"unsigned token", token(unsigned), codes.PermissionDenied, "it is not signed"},
		{"signature cut off", token(ownToken[:strings.LastIndex(ownToken, ".")+1]), codes.PermissionDenied, "it is not signed"},
		{"garbage for a token", token("garbage"), codes.PermissionDenied, "a JWT has three parts"},
		{"dotted garbage for a token", token("a.b.c"), codes.PermissionDenied, "not a pod's service-account token"},
		{"an endless token", token(strings.Repeat("a", 1<<20)), codes.PermissionDenied, "longer than"},
		{"garbage for tokens", set(tokensKey, "garbage"), codes.PermissionDenied, tokensKey},
		{"another token in secrets", func(a *ask) {
			a.secrets = map[string]string{tokensKey: tokens(t, w.token(t, twin))}
		}, codes.PermissionDenied, "attributes and secrets hold different ones"},
		{"only another pod's token, in secrets", func(a *ask) {
			a.secrets = map[string]string{tokensKey: tokens(t, w.token(t, foreign))}
			delete(a.attributes, tokensKey)
		}, codes.PermissionDenied, "it is another pod's token"},

		{"a connection that does not serve the scope", set("vault", "second"), codes.PermissionDenied, `"second"`},
		{"a connection that there is not", set("vault", "third"), codes.InvalidArgument, `"third"; the provider's configuration has: default, second`},

		{"no token", without(tokensKey), codes.FailedPrecondition, `add {audience: "vault"} to tokenRequests`},
		{"only a token for somebody else", func(a *ask) {
			a.attributes[tokensKey] = strings.Replace(a.attributes[tokensKey], `"vault"`, `"other"`, 1)
		}, codes.FailedPrecondition, `add {audience: "vault"} to tokenRequests`},
		{"no pod name", without(pod + "pod.name"), codes.FailedPrecondition, "podInfoOnMount: true"},
		{"no pod namespace", without(pod + "pod.namespace"), codes.FailedPrecondition, "podInfoOnMount: true"},
		{"no pod UID", without(pod + "pod.uid"), codes.FailedPrecondition, "podInfoOnMount: true"},
		{"no ServiceAccount", without(pod + "serviceAccount.name"), codes.FailedPrecondition, "podInfoOnMount: true"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := ask{attributes: attributes(own, c, tokens(t, ownToken))}
			row.change(&a)
			before := len(front.requests())
			response, err := client.Mount(t.Context(), wire(t, a.attributes, a.secrets))
			if row.code == codes.OK {
				require.NoError(t, err)
				assert.Equal(t, "sales' own", string(response.GetFiles()[0].GetContents()))
				var asked []string
				for _, request := range front.requests()[before:] {
					asked = append(asked, request.kind())
				}
				assert.Subset(t, asked, []string{"read", "decrypt"}, "and a login, where Vault was not shown this token before")
				return
			}
			requireRefused(t, err, row.code, row.says)
			assert.Nil(t, response)
			assert.Len(t, front.requests(), before, "Vault was asked")
		})
	}
}

// TestBadInput is a class with everything wrong: every fault is told at once, before Vault hears anything.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	front := w.newFront(t)
	provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
	c := class{provider: provider.name, scope: env.sales, vault: "Nowhere!", objects: `
- ref: secret://prod/acme/sales/a/b
  mode: 0999
- ref: secret://prod/acme/sales/a
- ref: secret://prod/acme/sales/a/c
  file: ../up
- ref: secret://prod/acme/sales/a/d
  file: sales/a
- ref: secret://prod/acme/sales/a/e@0
- ref: secret://prod/acme/_/a/f
  fallback: tenant
- reff: secret://prod/acme/sales/a/g
`}
	volume := w.pod(t, env.sales, c.apply(t, w), func(p *lab.Pod) { p.Attributes = map[string]string{"rolename": "admin"} })
	err := volume.Publish(t.Context())
	requireRefused(t, err, codes.InvalidArgument,
		"vault: ", "objects[0].mode: ", "objects[1].ref: ", "objects[2].file: ", "objects[4].ref: ", "objects[5].fallback: ", "objects[6]: ",
		`"rolename": `)
	requireNothing(t, volume)
	assert.Empty(t, front.requests())
	for _, garbage := range []string{"", "null", "[]", "{", `{"a":1}`, `{"scope":"a","scope":"b"}`} {
		request := wire(t, nil, nil)
		request.Attributes = garbage
		_, err := provider.client(t).Mount(t.Context(), request)
		requireRefused(t, err, codes.InvalidArgument, "attributes: ")
	}
	assert.Empty(t, front.requests())
}
