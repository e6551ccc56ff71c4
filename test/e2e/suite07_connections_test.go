//go:build e2e

package e2e_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// audience is whom suite 7's own tokens are for.
const audience = "gtc-e2e07"

// playConnections is a provider with two connections to Vault, of two auth methods and two audiences.
func playConnections(t *testing.T) {
	s := begin(t, 7, "a custom audience; jwt auth; two connections, also in one pod")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, s.InstallDriver(ctx, nil))
	})
	require.NoError(t, s.InstallDriver(soon(t), map[string]any{"tokenRequests": []map[string]any{{"audience": stage.Audience}, {"audience": audience}}}))
	s.reconfigure(t, map[string]any{"vaults": []map[string]any{
		s.Connection(nil),
		s.Connection(map[string]any{
			"name": "byjwt", "authMethod": "jwt", "authMount": "jwt", "audience": audience, "scopes": []string{s.id("") + "/*/*"},
		}),
		s.Connection(map[string]any{"name": "untold", "audience": "nobody-asks-for-this"}),
	}})

	// The environment's secrets slot names the auth mount, so that one environment with two is two files.
	byJWT := s.environment(t, s.id(""), map[string]any{"auth_mount": "jwt"}, "sales/slack/bot_token", "sales/crm/password")
	byJWT.wire(t, "--method", "jwt", "--audience", audience, "--jwt-keys", s.issuerKeys(t), "--jwt-issuer", "https://kubernetes.default.svc.cluster.local")
	token, password := s.secret(t, "xoxb-"), s.secret(t, "")
	byJWT.put(t, "sales/slack/bot_token", token)
	byJWT.put(t, "sales/crm/password", password)

	t.Run("a worker by jwt", func(t *testing.T) {
		rendered := byJWT.render(t, "--connection", "byjwt", "--worker-arg", "-serve", "--worker-arg", ":8080", "--worker-arg", "dev-store")
		s.apply(t, rendered...)
		deployments := deploymentsOf(t, rendered)
		require.Len(t, deployments, 1)
		pod := s.rolledOut(t, deployments[0])
		assert.Equal(t, byJWT.toldByDevStore(t, "sales", map[string]string{"sales/slack/bot_token": token, "sales/crm/password": password}), s.told(t, pod, 0))
		assert.NotZero(t, s.asked(t, pod, "auth/jwt/login"), "logins by jwt")
		assert.Zero(t, s.asked(t, pod, "auth/kubernetes/"), "logins by the default connection")
	})
	scope := byJWT.scope(t, "sales")
	b := badge.For(badge.LayoutScope, scope)
	for name, parameters := range map[string]map[string]string{
		"byjwt":   {"vault": "byjwt", "objects": objects("ref: " + byJWT.ref(t, "sales/slack/bot_token").String())},
		"default": {"objects": objects("ref: " + byJWT.ref(t, "sales/crm/password").String())},
		"untold":  {"vault": "untold", "objects": objects("ref: " + byJWT.ref(t, "sales/crm/password").String())},
	} {
		parameters["scope"] = scope.String()
		s.applyTyped(t, class(b.Namespace, name, parameters))
	}
	t.Run("two connections in one pod", func(t *testing.T) {
		s.environment(t, s.id(""), nil, "sales/slack/bot_token", "sales/crm/password").wire(t)
		pod := s.start(t, s.reader(b, "both",
			volume{class: "byjwt", files: []string{"sales/slack/bot_token"}}, volume{class: "default", files: []string{"sales/crm/password"}}))
		assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(token)}, s.told(t, pod, 0))
		assert.Equal(t, map[string]string{"sales/crm/password": digest(password)}, s.told(t, pod, 1))
		assert.NotZero(t, s.asked(t, pod, "auth/jwt/login"))
		assert.NotZero(t, s.asked(t, pod, "auth/kubernetes/login"))
	})
	t.Run("an audience that nobody asks for", func(t *testing.T) {
		pod := s.refused(t, s.reader(b, "untold", volume{class: "untold", files: []string{"none"}}), "no token for the pod", "FailedPrecondition", "nobody-asks-for-this")
		assert.Zero(t, s.asked(t, pod, ""), "Vault has heard of it")
	})
	t.Run("a scope that the connection does not serve", func(t *testing.T) {
		other := s.environment(t, s.id("other"), nil, "sales/slack/bot_token")
		foreign := badge.For(badge.LayoutScope, other.scope(t, "sales"))
		s.wear(t, foreign)
		s.applyTyped(t, class(foreign.Namespace, "byjwt", map[string]string{
			"scope": other.scope(t, "sales").String(), "vault": "byjwt", "objects": objects("ref: " + other.ref(t, "sales/slack/bot_token").String()),
		}))
		pod := s.refused(t, s.reader(foreign, "unserved", volume{class: "byjwt", files: []string{"none"}}), "does not serve the scope", "PermissionDenied")
		assert.Zero(t, s.asked(t, pod, ""), "Vault has heard of it")
	})
}

// issuerKeys is a file with the public keys of the cluster's token issuer, from where kubeadm keeps them.
func (s *story) issuerKeys(t *testing.T) string {
	t.Helper()
	keys, err := s.Cluster.Node().Exec(t.Context(), "cat", "/etc/kubernetes/pki/sa.pub")
	require.NoError(t, err)
	file, err := s.Write(s.id("")+"/issuer.pem", keys)
	require.NoError(t, err)
	return file
}
