package mount_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

const tokensKey = "csi.storage.k8s.io/serviceAccount.tokens"

func attributes() map[string]string {
	return map[string]string{
		"scope":                                  "prod/acme/sales",
		"objects":                                "- ref: secret://prod/acme/sales/slack/token",
		"csi.storage.k8s.io/pod.name":            "worker-0",
		"csi.storage.k8s.io/pod.namespace":       "gtc-prod--acme--sales",
		"csi.storage.k8s.io/pod.uid":             "0f0e0d0c-0b0a-0908-0706-050403020100",
		"csi.storage.k8s.io/serviceAccount.name": "gtc.acme.sales",
		tokensKey:                                `{"vault":{"token":"canary","expirationTimestamp":"2030-01-01T00:00:00Z"}}`,
	}
}

func wire(t testing.TB, attributes map[string]string, secrets string) *v1alpha1.MountRequest {
	t.Helper()
	text, err := json.Marshal(attributes)
	require.NoError(t, err)
	return &v1alpha1.MountRequest{Attributes: string(text), Secrets: secrets, Permission: "420"}
}

func TestDecode(t *testing.T) {
	for _, secrets := range []string{"null", "{}", "", `{"username":"x"}`} {
		r, err := mount.Decode(wire(t, attributes(), secrets), &params.Memory{})
		require.NoError(t, err, "secrets %q", secrets)
		assert.Equal(t, badge.Pod{
			Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: "0f0e0d0c-0b0a-0908-0706-050403020100", ServiceAccount: "gtc.acme.sales",
		}, r.Pod)
		assert.Equal(t, "prod/acme/sales", r.Params.Scope.String())
		token, err := r.Token("vault")
		require.NoError(t, err)
		assert.Equal(t, "canary", token.RevealString())
		_, err = r.Token("another")
		require.ErrorIs(t, err, mount.ErrNoToken)
		assert.ErrorContains(t, err, `"another"`)
		assert.ErrorContains(t, err, "tokenRequests")
	}
}

func TestTokensInSecrets(t *testing.T) {
	inSecrets := func(tokens string) string {
		text, err := json.Marshal(map[string]string{tokensKey: tokens})
		require.NoError(t, err)
		return string(text)
	}
	same := attributes()[tokensKey]
	for name, row := range map[string]struct {
		attribute, secrets string
		is                 error
	}{
		"only there":                       {"", inSecrets(same), nil},
		"in both":                          {same, inSecrets(same), nil},
		"in both, written otherwise":       {same, inSecrets(`{"vault": {"token": "canary"}}`), nil},
		"in both, different":               {same, inSecrets(`{"vault":{"token":"other"}}`), mount.ErrTokens},
		"in both, one more":                {same, inSecrets(`{"vault":{"token":"canary"},"x":{"token":"y"}}`), mount.ErrTokens},
		"in both, none for ours":           {same, inSecrets(`{"x":{"token":"canary"}}`), mount.ErrTokens},
		"in both, none in secrets":         {same, inSecrets(`{}`), mount.ErrTokens},
		"in both, empty text in secrets":   {same, inSecrets(``), nil},
		"no JSON in secrets' tokens":       {"", inSecrets(`canary`), mount.ErrTokens},
		"no JSON in attributes' tokens":    {"canary", "null", mount.ErrTokens},
		"no object per audience":           {`{"vault":"canary"}`, "null", mount.ErrTokens},
		"no token per audience":            {`{"vault":{"tokens":"canary"}}`, "null", mount.ErrTokens},
		"a token that is no text":          {`{"vault":{"token":{"canary":1}}}`, "null", mount.ErrTokens},
		"an audience twice":                {`{"vault":{"token":"canary"},"vault":{"token":"other"}}`, "null", mount.ErrTokens},
		"a token twice":                    {`{"vault":{"token":"canary","token":"other"}}`, "null", mount.ErrTokens},
		"a token in another case":          {`{"vault":{"Token":"canary"}}`, "null", mount.ErrTokens},
		"secrets that are no JSON":         {same, "canary", mount.ErrInvalid},
		"secrets that are a list":          {same, `["canary"]`, mount.ErrInvalid},
		"a secret that is no text":         {same, `{"x":{"canary":1}}`, mount.ErrInvalid},
		"secrets with something behind it": {same, `{} canary`, mount.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			a := attributes()
			if a[tokensKey] = row.attribute; row.attribute == "" {
				delete(a, tokensKey)
			}
			r, err := mount.Decode(wire(t, a, row.secrets), &params.Memory{})
			if row.is != nil {
				require.ErrorIs(t, err, row.is)
				assert.NotContains(t, err.Error(), "canary")
				return
			}
			require.NoError(t, err)
			token, err := r.Token("vault")
			require.NoError(t, err)
			assert.Equal(t, "canary", token.RevealString())
		})
	}
}

func TestFaults(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(map[string]string)
		is     error
		says   string
	}{
		"no name":            {func(a map[string]string) { delete(a, "csi.storage.k8s.io/pod.name") }, mount.ErrKubelet, "podInfoOnMount"},
		"no namespace":       {func(a map[string]string) { delete(a, "csi.storage.k8s.io/pod.namespace") }, mount.ErrKubelet, "csi.storage.k8s.io/pod.namespace"},
		"no UID":             {func(a map[string]string) { a["csi.storage.k8s.io/pod.uid"] = "" }, mount.ErrKubelet, "csi.storage.k8s.io/pod.uid"},
		"no ServiceAccount":  {func(a map[string]string) { delete(a, "csi.storage.k8s.io/serviceAccount.name") }, mount.ErrKubelet, "serviceAccount.name"},
		"a name of two":      {func(a map[string]string) { a["csi.storage.k8s.io/pod.name"] = "a/b" }, mount.ErrInvalid, "no name that Kubernetes gives"},
		"a name of lines":    {func(a map[string]string) { a["csi.storage.k8s.io/pod.uid"] = "a\r\nX-Vault-Token: b" }, mount.ErrInvalid, "pod.uid"},
		"a name without end": {func(a map[string]string) { a["csi.storage.k8s.io/pod.name"] = strings.Repeat("a", 254) }, mount.ErrInvalid, "pod.name"},
		"parameters":         {func(a map[string]string) { a["scope"] = "x" }, params.ErrInvalid, "scope: "},
	} {
		t.Run(name, func(t *testing.T) {
			a := attributes()
			row.mutate(a)
			_, err := mount.Decode(wire(t, a, "null"), &params.Memory{})
			require.ErrorIs(t, err, row.is)
			assert.ErrorContains(t, err, row.says)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		a := attributes()
		delete(a, "csi.storage.k8s.io/pod.name")
		a["csi.storage.k8s.io/pod.uid"], a["scope"], a[tokensKey] = "a b", "x", "canary"
		_, err := mount.Decode(wire(t, a, "null"), &params.Memory{})
		for _, is := range []error{mount.ErrKubelet, mount.ErrInvalid, mount.ErrTokens, params.ErrInvalid} {
			require.ErrorIs(t, err, is)
		}
	})
	for _, text := range []string{"", "null", "[]", "canary", `{"scope":1}`, `{"a":"b"}{`, `{"a":"b","a":"c"}`} {
		_, err := mount.Decode(&v1alpha1.MountRequest{Attributes: text}, &params.Memory{})
		require.ErrorIs(t, err, mount.ErrInvalid, "%q", text)
		assert.NotContains(t, err.Error(), "canary")
	}
	_, err := mount.Decode(nil, &params.Memory{})
	require.ErrorIs(t, err, mount.ErrInvalid)
}

// FuzzDecode: nothing panics, every error is one of the packages', and whatever is accepted names a pod.
func FuzzDecode(f *testing.F) {
	good, err := json.Marshal(attributes())
	require.NoError(f, err)
	f.Add(string(good), "null")
	f.Add(string(good), `{"csi.storage.k8s.io/serviceAccount.tokens":"{\"vault\":{\"token\":\"x\"}}"}`)
	less := maps.Clone(attributes())
	delete(less, tokensKey)
	fewer, err := json.Marshal(less)
	require.NoError(f, err)
	f.Add(string(fewer), "{}")
	f.Add("{}", "")
	f.Fuzz(func(t *testing.T, attributes, secrets string) {
		r, err := mount.Decode(&v1alpha1.MountRequest{Attributes: attributes, Secrets: secrets}, &params.Memory{})
		if err != nil {
			known := errors.Is(err, mount.ErrInvalid) || errors.Is(err, mount.ErrKubelet) || errors.Is(err, mount.ErrTokens) || errors.Is(err, params.ErrInvalid)
			assert.True(t, known, "%v", err)
			return
		}
		assert.NotContains(t, []string{r.Pod.Name, r.Pod.Namespace, r.Pod.UID, r.Pod.ServiceAccount}, "")
		assert.False(t, r.Params.Scope.IsZero())
		assert.NotEmpty(t, r.Params.Objects)
	})
}
