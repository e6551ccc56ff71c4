package place_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestPlacesOfAReference(t *testing.T) {
	defaults, err := place.New(place.Names{})
	require.NoError(t, err)
	named, err := place.New(place.Names{KVMount: "teams/kv", KVPrefix: "a/b", TransitMount: "Tr-1", TransitKey: "k_2", AuthMount: "cluster.west"})
	require.NoError(t, err)
	ref := secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_bot_token@7")
	tests := []struct {
		name              string
		byDefault, byName string
		of                func(place.Places) string
	}{
		{
			"record", "secret/data/greentic/prod/acme/sales/messaging-slack/slack_bot_token",
			"teams/kv/data/a/b/prod/acme/sales/messaging-slack/slack_bot_token", func(p place.Places) string { return p.Data(ref) },
		},
		{
			"scope", "secret/data/greentic/prod/acme/sales/", "teams/kv/data/a/b/prod/acme/sales/",
			func(p place.Places) string { return p.Below(ref.Scope()) },
		},
		{"kv config", "secret/config", "teams/kv/config", place.Places.KVConfig},
		{"key", "transit/keys/greentic", "Tr-1/keys/k_2", place.Places.Key},
		{"encrypt", "transit/encrypt/greentic", "Tr-1/encrypt/k_2", place.Places.Encrypt},
		{"decrypt", "transit/decrypt/greentic", "Tr-1/decrypt/k_2", place.Places.Decrypt},
		{"auth config", "auth/kubernetes/config", "auth/cluster.west/config", place.Places.AuthConfig},
		{"login", "auth/kubernetes/login", "auth/cluster.west/login", place.Places.Login},
		{"role", "auth/kubernetes/role/r", "auth/cluster.west/role/r", func(p place.Places) string { return p.Role("r") }},
		{"policy", "sys/policies/acl/p", "sys/policies/acl/p", func(place.Places) string { return place.Policy("p") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.byDefault, tt.of(defaults))
			assert.Equal(t, tt.byName, tt.of(named))
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*place.Names)
		want   []string
	}{
		{"star", func(n *place.Names) { n.KVMount = "sec*" }, []string{`kv_mount: "sec*"`, "patterns in a policy"}},
		{"plus", func(n *place.Names) { n.KVPrefix = "+/x" }, []string{`kv_prefix: "+/x"`, "patterns in a policy"}},
		{"quote", func(n *place.Names) { n.TransitKey = `a"b` }, []string{`transit_key: "a\"b"`}},
		{"newline", func(n *place.Names) { n.AuthMount = "a\nb" }, []string{`auth_mount: "a\nb"`}},
		{"percent", func(n *place.Names) { n.TransitMount = "a%2fb" }, []string{`transit_mount: "a%2fb"`}},
		{"not ASCII", func(n *place.Names) { n.KVMount = "geheim-ä" }, []string{"kv_mount"}},
		{"leading slash", func(n *place.Names) { n.KVMount = "/secret" }, []string{"empty segment"}},
		{"trailing slash", func(n *place.Names) { n.KVPrefix = "greentic/" }, []string{"empty segment"}},
		{"two slashes", func(n *place.Names) { n.KVPrefix = "a//b" }, []string{"empty segment"}},
		{"dot", func(n *place.Names) { n.KVPrefix = "a/./b" }, []string{"dot segment"}},
		{"dot dot", func(n *place.Names) { n.KVPrefix = "../sys" }, []string{"dot segment"}},
		{"too long", func(n *place.Names) { n.KVPrefix = strings.Repeat("a", 513) }, []string{"longer than 512 bytes"}},
		{"key with a slash", func(n *place.Names) { n.TransitKey = "a/b" }, []string{"holds no slash"}},
		{"Vault's own mount", func(n *place.Names) { n.KVMount = "sys/policies" }, []string{`"sys" is Vault's own`}},
		{"auth as a mount", func(n *place.Names) { n.TransitMount = "auth" }, []string{`"auth" is Vault's own`}},
		{"same mount", func(n *place.Names) { n.TransitMount = "secret" }, []string{`overlaps kv_mount "secret"`}},
		{"mount within a mount", func(n *place.Names) { n.KVMount = "transit/kv" }, []string{`overlaps kv_mount "transit/kv"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names := place.Names{KVMount: "secret", KVPrefix: "greentic", TransitMount: "transit", TransitKey: "greentic", AuthMount: "kubernetes"}
			_, err := place.New(names)
			require.NoError(t, err, "the baseline is valid")
			tt.mutate(&names)
			got, err := place.New(names)
			require.ErrorIs(t, err, place.ErrInvalid)
			assert.Equal(t, place.Places{}, got)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestNewTellsAllFaultsAtOnce(t *testing.T) {
	_, err := place.New(place.Names{KVMount: "a*", KVPrefix: "b+", TransitMount: "c?", TransitKey: "d e", AuthMount: "f\x00"})
	for _, field := range []string{"kv_mount", "kv_prefix", "transit_mount", "transit_key", "auth_mount"} {
		assert.ErrorContains(t, err, field+": ")
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 5)
}

func FuzzNew(f *testing.F) {
	f.Add("secret", "greentic", "transit", "greentic", "kubernetes")
	f.Add("a/b", "../x", "*", "+", "a b")
	f.Add("", "", "", "", "")
	f.Fuzz(func(t *testing.T, kv, prefix, transit, key, auth string) {
		p, err := place.New(place.Names{KVMount: kv, KVPrefix: prefix, TransitMount: transit, TransitKey: key, AuthMount: auth})
		if err != nil {
			require.ErrorIs(t, err, place.ErrInvalid)
			return
		}
		for _, path := range []string{p.Below(secretref.MustParseScope("e/t/_")), p.Key(), p.Decrypt(), p.AuthConfig(), p.KVConfig()} {
			assert.NotContains(t, path, "*")
			assert.NotContains(t, path, "+")
			assert.NotContains(t, path, "//")
			assert.NotContains(t, "/"+path, "/../")
			assert.NotContains(t, "/"+path, "/./")
			assert.NotContains(t, path, "%")
			assert.False(t, strings.HasPrefix(path, "/"))
		}
	})
}
