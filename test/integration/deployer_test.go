package integration_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// The tests of the deployer's own commands count requests at Vault, so none of them is parallel: those that are wait until these have ended.

// operated is an environment with mounts of its own in the lab's Vault, as an operator works with it.
type operated struct {
	*world
	id        string
	file      string // the manifest
	kv        string // its mounts and key
	transit   string
	auth      string
	token     string   // the operator's
	masterKey string   // of the dev-store files
	cluster   []string // the flags that name the lab's cluster to vault apply
}

// operator is an environment of this test's own that nothing was done for yet. Pairs of texts are replaced in its manifest.
func operator(t *testing.T, replace ...string) *operated {
	t.Helper()
	w := shared(t)
	o := &operated{world: w, id: unique("dep"), kv: unique("kv"), transit: unique("transit"), auth: unique("auth"), masterKey: "the laptop's"}
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/environment.yaml")
	require.NoError(t, err)
	answers := "kv_mount: " + o.kv + "\n    transit_mount: " + o.transit + "\n    auth_mount: " + o.auth
	words := strings.NewReplacer(append(replace, "id: prod", "id: "+o.id, "auth_mount: kubernetes", answers)...)
	o.file = filepath.Join(dir, "environment.yaml")
	require.NoError(t, os.WriteFile(o.file, []byte(words.Replace(string(text))), 0o600))
	o.token, err = w.VaultToken()
	require.NoError(t, err)
	ca, err := w.KubernetesCA()
	require.NoError(t, err)
	o.cluster = []string{
		"--cluster-host", w.KubernetesHost(), "--cluster-ca", o.path(t, "ca.pem", string(ca)),
		"--reviewer-token-file", o.path(t, "reviewer.jwt", w.ReviewerToken()+"\n"),
	}
	return o
}

// path is a file beside the manifest with this content.
func (o *operated) path(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(o.file), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func (o *operated) scope(t *testing.T, team string) secretref.Scope {
	t.Helper()
	scope, err := secretref.ParseScope(o.id + "/acme/" + team)
	require.NoError(t, err)
	return scope
}

func (o *operated) role(t *testing.T, team string) string { return badge.Role(o.scope(t, team)) }

// deploy runs gtc-deployer with the environment, and says how often it changed something in Vault.
func (o *operated) deploy(t *testing.T, stdin string, args ...string) (result, int) {
	t.Helper()
	mark, err := o.AuditMark()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), o.program("gtc-deployer"), append(args, "--environment", o.file)...)
	cmd.Stdin = strings.NewReader(stdin)
	r := run(t, cmd, "VAULT_ADDR="+o.VaultAddr(), "VAULT_TOKEN="+o.token, "GREENTIC_DEV_MASTER_KEY="+o.masterKey, "VALUE_OF_A_VARIABLE=of a variable")
	entries, err := o.AuditSince(mark)
	require.NoError(t, err)
	writes := 0
	for _, e := range entries {
		if changesVault(e) {
			writes++
		}
	}
	return r, writes
}

// changesVault tells a write from what only looks like one: encrypting and decrypting are updates by name, and leave nothing behind.
func changesVault(e lab.AuditEntry) bool {
	return e.Type == "request" && e.Operation != "read" && e.Operation != "list" &&
		!strings.Contains(e.Path, "/encrypt/") && !strings.Contains(e.Path, "/decrypt/")
}

// apply is "vault apply", which has to succeed.
func (o *operated) apply(t *testing.T, args ...string) (stdout string, writes int) {
	t.Helper()
	r, writes := o.deploy(t, "", append([]string{"vault", "apply"}, args...)...)
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	return r.stdout, writes
}

// requireKept asserts that everything is as it must be and nothing was written, counted at Vault.
func (o *operated) requireKept(t *testing.T, args ...string) {
	t.Helper()
	out, writes := o.apply(t, args...)
	require.Zero(t, writes, out)
	require.Regexp(t, `\n0 written, \d+ as they were\n$`, out)
	require.NotContains(t, out, "created")
	require.NotContains(t, out, "mended")
}

var keptLine = regexp.MustCompile(`(?m)^kept .*\n`)

// changed are the lines of vault apply about what it changed.
func changed(out string) []string {
	lines := strings.Split(strings.TrimSpace(keptLine.ReplaceAllString(out, "")), "\n")
	return lines[:len(lines)-1]
}

// TestApplyTwice is the whole wiring of a fresh environment, by both methods: the second run writes nothing.
func TestApplyTwice(t *testing.T) {
	for _, method := range []string{"kubernetes", "jwt"} {
		t.Run(method, func(t *testing.T) {
			o := operator(t)
			args := slices.Concat(o.cluster, []string{"--leased", o.scope(t, "support").String()})
			if method == "jwt" {
				args = o.jwt(t, "--leased", o.scope(t, "support").String())
			}
			out, writes := o.apply(t, args...)
			created := changed(out)
			assert.Equal(t, len(created), writes, "every line that says created is one request\n%s", out)
			created = slices.DeleteFunc(created, func(line string) bool { return strings.Contains(line, "X-Greentic-Pod") }) // shared with the other tests
			require.Len(t, created, 9)
			for i, want := range []string{
				"KV v2 mount " + o.kv + "/", "transit mount " + o.transit + "/", "transit key greentic", "auth mount auth/" + o.auth + "/ (" + method + ")",
				"configuration of auth/" + o.auth + "/", "policy " + o.role(t, "sales"), "policy " + o.role(t, "support"),
				"role " + o.role(t, "sales"), "role " + o.role(t, "support"),
			} {
				assert.Equal(t, "created  "+want, strings.TrimSuffix(created[i], " (Vault does not show its reviewer token, so a changed one cannot be seen)"))
			}
			o.requireKept(t, args...)
			o.requireKept(t, args...)
			audited, err := o.vault.Logical().ReadWithContext(t.Context(), "sys/config/auditing/request-headers/x-greentic-pod")
			require.NoError(t, err)
			assert.Equal(t, map[string]any{"hmac": false}, audited.Data["x-greentic-pod"])

			// Without the flags that name the cluster, its configuration stays; the kinds are what the flags say now.
			plain := []string{"--method", method}
			out, writes = o.apply(t, plain...)
			assert.Equal(t, 2, writes)
			assert.Equal(t, []string{
				"mended   policy " + o.role(t, "support") + ": policy",
				"mended   role " + o.role(t, "support") + ": token_max_ttl, token_period, token_type",
			}, changed(out))
			o.requireKept(t, plain...)
		})
	}
}

// jwt are the flags for the method jwt.
func (o *operated) jwt(t *testing.T, more ...string) []string {
	t.Helper()
	keys, err := o.ServiceAccountPublicKeyPEM()
	require.NoError(t, err)
	return append([]string{"--method", "jwt", "--jwt-keys", o.path(t, "keys.pem", string(keys))}, more...)
}

// TestApplyMendsDrift changes one thing at a time: it is named, mended by one write, and then all is as it was.
func TestApplyMendsDrift(t *testing.T) {
	for _, method := range []string{"kubernetes", "jwt"} {
		t.Run(method, func(t *testing.T) {
			o := operator(t)
			args := o.cluster
			if method == "jwt" {
				args = o.jwt(t)
			}
			o.apply(t, args...)
			role, policy := "auth/"+o.auth+"/role/"+o.role(t, "sales"), "sys/policies/acl/"+o.role(t, "sales")
			drift := []struct {
				path   string
				fields map[string]any
				want   string
			}{
				{policy, map[string]any{"policy": `path "*" { capabilities = ["read"] }`}, "policy " + o.role(t, "sales") + ": policy"},
				{role, map[string]any{"token_policies": []string{o.role(t, "sales"), "root"}}, "role " + o.role(t, "sales") + ": token_policies"},
				{role, map[string]any{"token_ttl": "10h", "token_max_ttl": "20h"}, "role " + o.role(t, "sales") + ": token_max_ttl, token_ttl"},
				{role, map[string]any{"token_no_default_policy": false}, "role " + o.role(t, "sales") + ": token_no_default_policy"},
				{role, map[string]any{"token_type": "service", "token_num_uses": 3}, "role " + o.role(t, "sales") + ": token_num_uses, token_type"},
				{
					"sys/config/auditing/request-headers/X-Greentic-Pod", map[string]any{"hmac": true},
					"audited header X-Greentic-Pod: hmac",
				},
			}
			if method == "kubernetes" {
				drift = append(drift, []struct {
					path   string
					fields map[string]any
					want   string
				}{
					{role, map[string]any{"bound_service_account_names": "*"}, "role " + o.role(t, "sales") + ": bound_service_account_names"},
					{
						role, map[string]any{"bound_service_account_namespaces": []string{badgeOf(o.scope(t, "sales")).Namespace, "default"}},
						"role " + o.role(t, "sales") + ": bound_service_account_namespaces",
					},
					{
						role, map[string]any{"bound_service_account_namespace_selector": `{"matchLabels":{"a":"b"}}`},
						"role " + o.role(t, "sales") + ": bound_service_account_namespace_selector",
					},
					{role, map[string]any{"audience": "another"}, "role " + o.role(t, "sales") + ": audience"},
					{"auth/" + o.auth + "/config", map[string]any{
						"kubernetes_host": o.KubernetesHost(), "kubernetes_ca_cert": "", "disable_local_ca_jwt": true, "token_reviewer_jwt": o.ReviewerToken(),
					}, "configuration of auth/" + o.auth + "/: kubernetes_ca_cert"},
				}...)
			} else {
				drift = append(drift, []struct {
					path   string
					fields map[string]any
					want   string
				}{
					{role, map[string]any{"bound_subject": ""}, "role " + o.role(t, "sales") + ": bound_subject"},
					{role, map[string]any{"bound_audiences": []string{"vault", "another"}}, "role " + o.role(t, "sales") + ": bound_audiences"},
					{role, map[string]any{"bound_claims": map[string]any{}}, "role " + o.role(t, "sales") + ": bound_claims"},
					{role, map[string]any{"claim_mappings": map[string]any{}}, "role " + o.role(t, "sales") + ": claim_mappings"},
					{role, map[string]any{"bound_claims_type": "glob"}, "role " + o.role(t, "sales") + ": bound_claims_type"},
				}...)
			}
			for _, d := range drift {
				t.Run(d.want, func(t *testing.T) {
					fields := map[string]any{}
					if d.path == role {
						stored, err := o.vault.Logical().ReadWithContext(t.Context(), role)
						require.NoError(t, err)
						fields = stored.Data
					}
					maps.Copy(fields, d.fields)
					o.write(t, d.path, fields)
					out, writes := o.apply(t, args...)
					assert.Equal(t, 1, writes)
					require.Len(t, changed(out), 1, out)
					assert.Equal(t, "mended   "+d.want, strings.TrimSuffix(changed(out)[0], " (Vault does not show its reviewer token, so a changed one cannot be seen)"))
					o.requireKept(t, args...)
				})
			}
			t.Run("removed", func(t *testing.T) {
				for _, path := range []string{role, policy, "sys/config/auditing/request-headers/X-Greentic-Pod"} {
					_, err := o.vault.Logical().DeleteWithContext(t.Context(), path)
					require.NoError(t, err)
				}
				out, writes := o.apply(t, args...)
				assert.Equal(t, 3, writes)
				assert.Equal(t, []string{
					"created  audited header X-Greentic-Pod", "created  policy " + o.role(t, "sales"), "created  role " + o.role(t, "sales"),
				}, changed(out))
				o.requireKept(t, args...)
			})
		})
	}
}

// TestApplyRefuses is what a write could only destroy, or what cannot be known: exit code, text, and nothing written.
func TestApplyRefuses(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, o *operated)
		args   []string
		code   int
		want   []string
	}{
		{
			name: "mounts of other kinds, all at once",
			before: func(t *testing.T, o *operated) {
				o.write(t, "sys/mounts/"+o.kv, map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
				o.write(t, "sys/mounts/"+o.transit, map[string]any{"type": "kv"})
				o.write(t, "sys/auth/"+o.auth, map[string]any{"type": "jwt"})
			},
			code: 1, want: []string{"KV mount of version 1", `type "kv", not "transit"`, `type "jwt", not "kubernetes"`},
		},
		{
			name: "a key of another kind",
			before: func(t *testing.T, o *operated) {
				o.write(t, "sys/mounts/"+o.transit, map[string]any{"type": "transit"})
				o.write(t, o.transit+"/keys/greentic", map[string]any{"derived": true})
			},
			code: 1, want: []string{"reading transit key greentic: vault holds something else there: a key that needs a context"},
		},
		{
			name: "a mount that makes every token a service token",
			before: func(t *testing.T, o *operated) {
				o.write(t, "sys/auth/"+o.auth, map[string]any{"type": "kubernetes", "config": map[string]any{"token_type": "service"}})
			},
			code: 1, want: []string{"tune the mount's token_type"},
		},
		{
			name:   "a reviewer token that would be lost",
			before: func(t *testing.T, o *operated) { o.apply(t, o.cluster...) },
			args:   []string{"--cluster-host", "https://10.0.0.1"},
			code:   1, want: []string{"reviewer token, which writing this configuration would remove"},
		},
		{
			name: "a token that may do nothing",
			before: func(t *testing.T, o *operated) {
				answer, err := o.vault.Logical().WriteWithContext(t.Context(), "auth/token/create", map[string]any{"policies": []string{"default"}})
				require.NoError(t, err)
				o.token = answer.Auth.ClientToken
			},
			code: 1, want: []string{"GET sys/mounts: vault refuses the operator's token (HTTP 403)", "GET sys/auth: ", "VAULT_TOKEN or ~/.vault-token"},
		},
		{
			name:   "no keys the first time",
			before: func(*testing.T, *operated) {},
			args:   []string{"--method", "jwt"},
			code:   2, want: []string{"public keys or a discovery URL"},
		},
		{
			name:   "sealed",
			before: func(t *testing.T, o *operated) { o.seal(t) },
			code:   1, want: []string{"vault is sealed", "unseal it"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := operator(t)
			tt.before(t, o)
			r, writes := o.deploy(t, "", append([]string{"vault", "apply"}, tt.args...)...)
			assert.Equal(t, tt.code, r.code, r.stderr)
			for _, want := range tt.want {
				assert.Contains(t, r.stderr, want)
			}
			assert.Empty(t, r.stdout)
			assert.Zero(t, writes)
			assert.NotContains(t, r.stderr, o.token)
		})
	}
}

func (o *operated) write(t *testing.T, path string, fields map[string]any) {
	t.Helper()
	_, err := o.vault.Logical().WriteWithContext(t.Context(), path, fields)
	require.NoError(t, err)
}

func (o *operated) seal(t *testing.T) {
	t.Helper()
	require.NoError(t, o.SealVault(t.Context()))
	t.Cleanup(func() { require.NoError(t, o.UnsealVault(context.Background())) })
}

// TestApplyRenewsTheReviewerToken is for a token that changed: Vault never shows which one it has.
func TestApplyRenewsTheReviewerToken(t *testing.T) {
	o := operator(t)
	o.apply(t, o.cluster...)
	out, writes := o.apply(t, append(o.cluster, "--renew-reviewer-token")...)
	assert.Equal(t, 1, writes)
	require.Len(t, changed(out), 1)
	assert.True(t, strings.HasPrefix(changed(out)[0], "mended   configuration of auth/"+o.auth+"/ ("), out)
}

// TestApplyReadsAKubeconfig takes the cluster's address and authority from a kubeconfig, and never its credentials.
func TestApplyReadsAKubeconfig(t *testing.T) {
	o := operator(t)
	args := []string{"--kubeconfig", o.Kubeconfig(), "--reviewer-token-file", o.path(t, "reviewer.jwt", o.ReviewerToken())}
	o.apply(t, args...)
	o.requireKept(t, o.cluster...) // the same cluster, named in full
	config, err := o.vault.Logical().ReadWithContext(t.Context(), "auth/"+o.auth+"/config")
	require.NoError(t, err)
	assert.Equal(t, o.KubernetesHost(), config.Data["kubernetes_host"])
}
