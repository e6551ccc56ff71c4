package wiring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/wiring"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

//go:generate go test . -update

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tokenCanary = "header.canary-of-a-reviewer.signature"

// vault is a Vault that answers what it is told to, and otherwise holds nothing; it keeps what it is sent.
type vault struct {
	read     func(path string) (operator.Answer, error)
	refuse   string // the path at which writes are refused
	requests []request
}

type request struct {
	Path string `json:"path"`
	Body any    `json:"body"`
}

func (v *vault) Read(_ context.Context, path string) (operator.Answer, error) {
	if v.read != nil {
		if answer, err := v.read(path); err != nil || answer.Status != 0 {
			return answer, err
		}
	}
	if path == "secret/config" && len(v.requests) > 0 {
		return operator.Answer{Status: 200}, nil
	}
	return operator.Answer{Status: 404, Unmounted: true}, nil
}

func (v *vault) Write(_ context.Context, path string, body any) (operator.Answer, error) {
	if path == v.refuse {
		return operator.Answer{Status: 400}, fmt.Errorf("POST %s: %w", path, operator.ErrRefused)
	}
	v.requests = append(v.requests, request{path, body})
	return operator.Answer{Status: 204}, nil
}

func found(data string) operator.Answer {
	return operator.Answer{Status: 200, Data: json.RawMessage(data)}
}

// baseline is a valid specification for two teams, one of them leased, and the whole tenant.
func baseline(t *testing.T) wiring.Spec {
	t.Helper()
	places, err := place.New(place.Names{})
	require.NoError(t, err)
	return wiring.Spec{
		Places: places, Audience: "vault", Layout: badge.LayoutScope,
		Method: wiring.Kubernetes{Host: "https://10.0.0.1:6443", CACert: pemFile(t, "ca.pem"), ReviewerToken: secret.NewString(tokenCanary)},
		Roles: []wiring.Role{
			{Scope: secretref.MustParseScope("prod/acme/_")},
			{Scope: secretref.MustParseScope("prod/acme/sales")},
			{Scope: secretref.MustParseScope("prod/acme/support"), Kind: wiring.Leased},
		},
	}
}

func pemFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(text)
}

func apply(t *testing.T, v *vault, s wiring.Spec) (wiring.Result, []wiring.Step, error) {
	t.Helper()
	var told []wiring.Step
	result, err := wiring.Apply(t.Context(), v, s, func(step wiring.Step) { told = append(told, step) })
	return result, told, err
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

// TestEverythingThatIsWritten is every request that a fresh Vault gets, in order.
func TestEverythingThatIsWritten(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*wiring.Spec)
	}{
		{"kubernetes", func(*wiring.Spec) {}},
		{"kubernetes-own-cluster", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{} }},
		{"jwt", func(s *wiring.Spec) {
			places, err := place.New(place.Names{AuthMount: "jwt"})
			require.NoError(t, err)
			s.Places = places
			s.Method = wiring.JWT{Keys: pemFile(t, "rsa.pem") + pemFile(t, "ec.pem"), Issuer: "https://issuer"}
		}},
		{"jwt-discovery", func(s *wiring.Spec) {
			s.Method = wiring.JWT{DiscoveryURL: "https://issuer", DiscoveryCA: pemFile(t, "ca.pem")}
		}},
		{"layout-environment", func(s *wiring.Spec) { s.Layout = badge.LayoutEnvironment }},
		{"other-places", func(s *wiring.Spec) {
			places, err := place.New(place.Names{KVMount: "a/kv", KVPrefix: "x/y", TransitMount: "tr", TransitKey: "k", AuthMount: "west"})
			require.NoError(t, err)
			s.Places, s.Audience = places, "vault-west"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := baseline(t)
			tt.mutate(&s)
			v := &vault{read: func(path string) (operator.Answer, error) {
				if path == s.Places.KVConfig() {
					return found(`{}`), nil
				}
				return operator.Answer{}, nil
			}}
			result, told, err := apply(t, v, s)
			require.NoError(t, err)
			assert.Equal(t, result.Steps, told)
			assert.Equal(t, len(v.requests), result.Writes())
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			require.NoError(t, encoder.Encode(v.requests))
			golden(t, tt.name+".json", text.Bytes())
		})
	}
}

func TestPolicy(t *testing.T) {
	s := baseline(t)
	var text strings.Builder
	for _, role := range s.Roles {
		text.WriteString(wiring.Policy(s.Places, role) + "\n")
	}
	golden(t, "policies.hcl", []byte(text.String()))
}

func TestPolicyOfRawPaths(t *testing.T) {
	rule := func(text string, kind badge.Kind, write bool, scopes ...string) badge.PathRule {
		r := badge.PathRule{Kind: kind, Write: write}
		var err error
		r.Pattern, err = rawpath.ParsePattern(text)
		require.NoError(t, err)
		for _, text := range scopes {
			scope, err := badge.ParsePattern(text)
			require.NoError(t, err)
			r.Scopes = append(r.Scopes, scope)
		}
		return r
	}
	rules := []badge.PathRule{
		rule("database/creds/{role}", badge.KindLease, false, "prod/acme/sales"), rule("pki/issue/{role}", badge.KindCertificate, true),
		rule("{env}/{tenant}/{team}/kv/*", badge.KindValue, false), rule("pki/issue/{role}", badge.KindValue, false),
		rule("pki/issue/{role}", badge.KindValue, true), rule("kv/other", badge.KindValue, false, "dev/*/*"),
	}
	s := baseline(t)
	sales, support := secretref.MustParseScope("prod/acme/sales"), secretref.MustParseScope("prod/acme/support")
	plain := wiring.Policy(s.Places, wiring.Role{Scope: sales, Kind: wiring.Leased})
	text := wiring.Policy(s.Places, wiring.Role{Scope: sales, Kind: wiring.Leased, Raw: rules})
	assert.Equal(t, `path "database/creds/gtc.prod.acme.sales" {
  capabilities = ["read"]
}
path "pki/issue/gtc.prod.acme.sales" {
  capabilities = ["update", "read"]
}
path "prod/acme/sales/kv/+" {
  capabilities = ["read"]
}
`, strings.TrimPrefix(text, plain))
	assert.NotContains(t, wiring.Policy(s.Places, wiring.Role{Scope: support, Raw: rules}), "database/creds")
	assert.True(t, wiring.NeedsLeases(rules, sales))
	assert.False(t, wiring.NeedsLeases(rules, support))
}

func TestInvalidSpecReachesNoVault(t *testing.T) {
	own := secretref.MustParseScope("prod/acme/sales")
	tests := []struct {
		name   string
		mutate func(*wiring.Spec)
		want   string
	}{
		{"no places", func(s *wiring.Spec) { s.Places = place.Places{} }, "places"},
		{"no audience", func(s *wiring.Spec) { s.Audience = "" }, "audience"},
		{"audience of two lines", func(s *wiring.Spec) { s.Audience = "a\nb" }, `"a\nb"`},
		{"layout", func(s *wiring.Spec) { s.Layout = "flat" }, `"flat"`},
		{"no method", func(s *wiring.Spec) { s.Method = nil }, "method"},
		{"a scope twice", func(s *wiring.Spec) { s.Roles = []wiring.Role{{Scope: own}, {Scope: own, Kind: wiring.Leased}} }, "roles[1]"},
		{"no scope", func(s *wiring.Spec) { s.Roles = []wiring.Role{{}} }, "roles[0]"},
		{"cluster host", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{Host: "10.0.0.1:6443"} }, "cluster host"},
		{"cluster ca", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{CACert: "none"} }, "no PEM block"},
		{"cluster ca is a key", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{CACert: pemFile(t, "rsa.pem")} }, `"PUBLIC KEY"`},
		{"reviewer token", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{ReviewerToken: secret.NewString("hvs.x")} }, "JSON Web Token"},
		{"reviewer tokens", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{ReviewerToken: secret.NewString("a.b.c\nd.e.f")} }, "JSON Web Token"},
		{"nothing to renew", func(s *wiring.Spec) { s.Method = wiring.Kubernetes{Renew: true} }, "none to write"},
		{"keys and url", func(s *wiring.Spec) { s.Method = wiring.JWT{Keys: pemFile(t, "rsa.pem"), DiscoveryURL: "https://i"} }, "exactly one"},
		{"issuer alone", func(s *wiring.Spec) { s.Method = wiring.JWT{Issuer: "i"} }, "exactly one"},
		{"url", func(s *wiring.Spec) { s.Method = wiring.JWT{DiscoveryURL: "issuer"} }, "oidc discovery url"},
		{"ca without url", func(s *wiring.Spec) {
			s.Method = wiring.JWT{Keys: pemFile(t, "rsa.pem"), DiscoveryCA: pemFile(t, "ca.pem")}
		}, "no discovery URL"},
		{"private key", func(s *wiring.Spec) {
			s.Method = wiring.JWT{Keys: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
		}, `"PRIVATE KEY"`},
		{"key cut short", func(s *wiring.Spec) {
			s.Method = wiring.JWT{Keys: pemFile(t, "rsa.pem") + strings.TrimSuffix(pemFile(t, "rsa.pem"), "KEY-----\n")}
		}, "cut short"},
		{"no key in the block", func(s *wiring.Spec) {
			s.Method = wiring.JWT{Keys: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}
		}, "PEM block 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := baseline(t)
			tt.mutate(&s)
			v := &vault{read: func(string) (operator.Answer, error) {
				t.Error("Vault was asked")
				return operator.Answer{}, nil
			}}
			_, _, err := apply(t, v, s)
			require.True(t, errors.Is(err, wiring.ErrInvalid) || errors.Is(err, badge.ErrNaming), err)
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, v.requests)
		})
	}
}

func TestInvalidSpecTellsAllFaultsAtOnce(t *testing.T) {
	_, _, err := apply(t, &vault{}, wiring.Spec{Layout: "flat", Method: wiring.Kubernetes{Host: "x", CACert: "y", Renew: true}, Roles: []wiring.Role{{}}})
	assert.Len(t, strings.Split(err.Error(), "\n"), 7)
}

// TestForeignThings is what stands where the wiring's must and that a write could only destroy: nothing is written.
func TestForeignThings(t *testing.T) {
	tests := []struct {
		name, path, data, want string
	}{
		{"kv of another type", "sys/mounts", `{"secret/":{"type":"pki"}}`, `type "pki", not "kv"`},
		{"kv of version 1", "sys/mounts", `{"secret/":{"type":"kv","options":null}}`, "version 1"},
		{"transit of another type", "sys/mounts", `{"transit/":{"type":"kv"}}`, `not "transit"`},
		{"derived key", "transit/keys/greentic", `{"derived":true,"supports_encryption":true,"supports_decryption":true}`, "needs a context"},
		{"signing key", "transit/keys/greentic", `{"supports_encryption":false,"supports_decryption":false}`, "does not encrypt"},
		{"auth of another type", "sys/auth", `{"kubernetes/":{"type":"approle"}}`, `type "approle"`},
		{"auth that makes service tokens", "sys/auth", `{"kubernetes/":{"type":"kubernetes","config":{"token_type":"service"}}}`, "every token a service token"},
		{"auth that makes batch tokens", "sys/auth", `{"kubernetes/":{"type":"kubernetes","config":{"token_type":"batch"}}}`, "gtc.prod.acme.support"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &vault{read: func(path string) (operator.Answer, error) {
				if path == tt.path {
					return found(tt.data), nil
				}
				return operator.Answer{}, nil
			}}
			result, told, err := apply(t, v, baseline(t))
			require.ErrorIs(t, err, wiring.ErrForeign)
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, v.requests)
			assert.Empty(t, told)
			assert.Zero(t, result.Writes())
		})
	}
}

func TestReviewerTokenIsNotRemovedByOmission(t *testing.T) {
	v := &vault{read: func(path string) (operator.Answer, error) {
		if path == "auth/kubernetes/config" {
			return found(`{"kubernetes_host":"https://old","token_reviewer_jwt_set":true}`), nil
		}
		return operator.Answer{}, nil
	}}
	s := baseline(t)
	s.Method = wiring.Kubernetes{Host: "https://new"}
	_, _, err := apply(t, v, s)
	require.ErrorIs(t, err, wiring.ErrForeign)
	assert.ErrorContains(t, err, "reviewer token")
	assert.Empty(t, v.requests)
}

func TestJWTNeedsKeysTheFirstTime(t *testing.T) {
	v := &vault{}
	s := baseline(t)
	s.Method = wiring.JWT{}
	_, _, err := apply(t, v, s)
	require.ErrorIs(t, err, wiring.ErrInvalid)
	assert.ErrorContains(t, err, "public keys or a discovery URL")
	assert.Empty(t, v.requests)
}

// TestFaultsOfReading are told all at once, but for a Vault that is gone; nothing is written.
func TestFaultsOfReading(t *testing.T) {
	tests := []struct {
		name  string
		read  func(string) (operator.Answer, error)
		want  error
		times int
	}{
		{"token refused everywhere", failing(operator.ErrDenied), operator.ErrDenied, 12},
		{"answers that are none", func(string) (operator.Answer, error) { return found(`[1]`), nil }, operator.ErrAnswer, 12},
		{"gone", failing(operator.ErrUnreachable), operator.ErrUnreachable, 1},
		{"sealed", failing(operator.ErrSealed), operator.ErrSealed, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &vault{read: tt.read}
			_, told, err := apply(t, v, baseline(t))
			require.ErrorIs(t, err, tt.want)
			assert.Len(t, strings.Split(err.Error(), "\n"), tt.times)
			assert.Empty(t, v.requests)
			assert.Empty(t, told)
		})
	}
}

func failing(err error) func(string) (operator.Answer, error) {
	return func(path string) (operator.Answer, error) {
		return operator.Answer{}, fmt.Errorf("GET %s: %w", path, err)
	}
}

func TestFailedWriteEndsIt(t *testing.T) {
	v := &vault{refuse: "auth/kubernetes/config"}
	result, told, err := apply(t, v, baseline(t))
	require.ErrorIs(t, err, operator.ErrRefused)
	assert.ErrorContains(t, err, "writing configuration of auth/kubernetes/")
	assert.ErrorContains(t, err, "--cluster-host")
	assert.NotContains(t, err.Error(), tokenCanary)
	assert.Len(t, told, 5)
	assert.Equal(t, 5, result.Writes())
	assert.Len(t, v.requests, 5)
}

func TestFreshKVMountIsWaitedFor(t *testing.T) {
	asked := 0
	v := &vault{read: func(path string) (operator.Answer, error) {
		if path != "secret/config" {
			return operator.Answer{}, nil
		}
		if asked++; asked < 3 {
			return operator.Answer{Status: 400}, fmt.Errorf("upgrading: %w", operator.ErrRefused)
		}
		return found(`{}`), nil
	}}
	_, _, err := apply(t, v, baseline(t))
	require.NoError(t, err)
	assert.Equal(t, 3, asked)
}

func TestFreshKVMountThatFails(t *testing.T) {
	v := &vault{read: func(path string) (operator.Answer, error) {
		if path == "secret/config" {
			return operator.Answer{}, operator.ErrSealed
		}
		return operator.Answer{}, nil
	}}
	_, _, err := apply(t, v, baseline(t))
	require.ErrorIs(t, err, operator.ErrSealed)
	assert.ErrorContains(t, err, "KV v2 mount secret/")
	assert.Len(t, v.requests, 2)
}

func TestWhatAMountsOwnerTunesIsNoDrift(t *testing.T) {
	v := &vault{read: func(path string) (operator.Answer, error) {
		switch path {
		case "sys/mounts":
			return found(`{"secret/":{"type":"kv","options":{"version":"2"},"description":"mine"},"transit/":{"type":"transit","config":{"max_lease_ttl":9}}}`), nil
		case "transit/keys/greentic":
			return found(`{"type":"chacha20-poly1305","supports_encryption":true,"supports_decryption":true}`), nil
		}
		return operator.Answer{}, nil
	}}
	result, _, err := apply(t, v, baseline(t))
	require.NoError(t, err)
	for _, step := range result.Steps[1:4] {
		assert.Equal(t, wiring.Kept, step.Did, step.What)
	}
}

func TestSpecPrintsNoToken(t *testing.T) {
	s := baseline(t)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", s, s, s), "canary")
}
