package wiring_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/wiring"
)

// wired answers with what was written before, as Vault would: mounts and headers in lists, the rest where it was written to.
func wired(t *testing.T, s wiring.Spec) map[string]map[string]any {
	t.Helper()
	fresh := &vault{}
	_, _, err := apply(t, fresh, s)
	require.NoError(t, err)
	there := map[string]map[string]any{
		"sys/mounts": {}, "sys/auth": {}, "sys/config/auditing/request-headers": {"headers": map[string]any{}},
		"transit/keys/greentic": {"supports_encryption": true, "supports_decryption": true},
	}
	for _, r := range fresh.requests {
		var body map[string]any
		text, err := json.Marshal(r.Body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &body))
		switch list, name := r.Path[:strings.LastIndex(r.Path, "/")], r.Path[strings.LastIndex(r.Path, "/")+1:]; list {
		case "sys/mounts", "sys/auth":
			there[list][name+"/"] = body
		case "sys/config/auditing/request-headers":
			there[list]["headers"].(map[string]any)[strings.ToLower(name)] = body
		case "transit/keys":
		default:
			there[r.Path] = body
		}
	}
	there["auth/kubernetes/config"]["token_reviewer_jwt_set"] = true
	delete(there["auth/kubernetes/config"], "token_reviewer_jwt")
	return there
}

func (v *vault) holds(t *testing.T, there map[string]map[string]any) {
	t.Helper()
	v.read = func(path string) (operator.Answer, error) {
		data, ok := there[path]
		if !ok {
			return operator.Answer{}, nil
		}
		text, err := json.Marshal(data)
		require.NoError(t, err)
		return found(string(text)), nil
	}
}

const salesRole = "auth/kubernetes/role/gtc.prod.acme.sales"

// TestDrift changes one field of what a wired Vault answers; the tests with a real Vault change the real thing.
func TestDrift(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(there map[string]map[string]any)
		want   []string // what is written; nothing if it means the same
		fields []string
	}{
		{"nothing", func(map[string]map[string]any) {}, nil, nil},
		{"zero values left out", func(there map[string]map[string]any) {
			maps.DeleteFunc(there[salesRole], func(_ string, value any) bool { return value == 0.0 || value == "" || value == false })
		}, nil, nil},
		{"null for nothing", func(there map[string]map[string]any) { there["auth/kubernetes/config"]["pem_keys"] = nil }, nil, nil},
		{"fields that are not ours", func(there map[string]map[string]any) { there[salesRole]["alias_name_source"] = "serviceaccount_name" }, nil, nil},
		{"another end of a PEM text", func(there map[string]map[string]any) {
			config := there["auth/kubernetes/config"]
			config["kubernetes_ca_cert"] = strings.TrimSpace(config["kubernetes_ca_cert"].(string))
		}, nil, nil},
		{"an older Vault, which does not tell of the reviewer token", func(there map[string]map[string]any) {
			delete(there["auth/kubernetes/config"], "token_reviewer_jwt_set")
		}, nil, nil},
		{"a number", func(there map[string]map[string]any) { there[salesRole]["token_ttl"] = 1201 }, []string{salesRole}, []string{"token_ttl"}},
		{"a number as text", func(there map[string]map[string]any) { there[salesRole]["token_ttl"] = "1200" }, []string{salesRole}, []string{"token_ttl"}},
		{"one name more", func(there map[string]map[string]any) {
			there[salesRole]["bound_service_account_names"] = []string{"gtc.acme.sales", "default"}
		}, []string{salesRole}, []string{"bound_service_account_names"}},
		{"two fields", func(there map[string]map[string]any) {
			there[salesRole]["token_type"], there[salesRole]["audience"] = "service", ""
		}, []string{salesRole}, []string{"audience", "token_type"}},
		{"no reviewer token any more", func(there map[string]map[string]any) {
			there["auth/kubernetes/config"]["token_reviewer_jwt_set"] = false
		}, []string{"auth/kubernetes/config"}, []string{"token_reviewer_jwt_set"}},
		{"a policy that grants more", func(there map[string]map[string]any) {
			there["sys/policies/acl/gtc.prod.acme"]["policy"] = `path "*" { capabilities = ["read"] }`
		}, []string{"sys/policies/acl/gtc.prod.acme"}, []string{"policy"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := baseline(t)
			there := wired(t, s)
			tt.mutate(there)
			v := &vault{}
			v.holds(t, there)
			result, _, err := apply(t, v, s)
			require.NoError(t, err)
			var written, fields []string
			for _, r := range v.requests {
				written = append(written, r.Path)
			}
			for _, step := range result.Steps {
				fields = append(fields, step.Fields...)
				assert.Equal(t, len(step.Fields) > 0, step.Did == wiring.Mended, step.What)
			}
			assert.Equal(t, tt.want, written)
			assert.Equal(t, tt.fields, fields)
			assert.Equal(t, len(tt.want), result.Writes())
		})
	}
}

func TestConfigurationIsLeftWhereNoClusterIsNamed(t *testing.T) {
	s := baseline(t)
	there := wired(t, s)
	there["auth/kubernetes/config"]["kubernetes_host"] = "https://another"
	v := &vault{}
	v.holds(t, there)
	s.Method = wiring.Kubernetes{}
	_, told, err := apply(t, v, s)
	require.NoError(t, err)
	assert.Empty(t, v.requests)
	assert.Equal(t, wiring.Step{What: "configuration of auth/kubernetes/", Did: wiring.Kept, Note: "no cluster named"}, told[5])
}

func TestReviewerTokenIsWrittenAgainWhenAsked(t *testing.T) {
	s := baseline(t)
	v := &vault{}
	v.holds(t, wired(t, s))
	method := s.Method.(wiring.Kubernetes)
	method.Renew = true
	s.Method = method
	result, _, err := apply(t, v, s)
	require.NoError(t, err)
	require.Len(t, v.requests, 1)
	assert.Equal(t, tokenCanary, v.requests[0].Body.(map[string]any)["token_reviewer_jwt"])
	assert.Equal(t, 1, result.Writes())
}

// keysThatAreSent are the keys that a JWT specification of this text makes Vault trust.
func keysThatAreSent(t *testing.T, text string) ([]string, error) {
	t.Helper()
	s := baseline(t)
	s.Method = wiring.JWT{Keys: text}
	v := &vault{}
	if _, _, err := apply(t, v, s); err != nil {
		return nil, err
	}
	for _, r := range v.requests {
		if r.Path == "auth/kubernetes/config" {
			return r.Body.(map[string]any)["jwt_validation_pubkeys"].([]string), nil
		}
	}
	return nil, errors.New("no configuration was written")
}

func TestKeysInEveryForm(t *testing.T) {
	want, err := keysThatAreSent(t, pemFile(t, "rsa.pem"))
	require.NoError(t, err)
	got, err := keysThatAreSent(t, pemFile(t, "rsa-pkcs1.pem"))
	require.NoError(t, err)
	assert.Equal(t, want, got, "the same key in another form")
	got, err = keysThatAreSent(t, "issued by us:\n"+pemFile(t, "ca.pem"))
	require.NoError(t, err)
	want, err = keysThatAreSent(t, pemFile(t, "ec.pem"))
	require.NoError(t, err)
	assert.Equal(t, want, got, "the key of a certificate")
}

func FuzzKeys(f *testing.F) {
	for _, name := range []string{"rsa.pem", "ec.pem", "rsa-pkcs1.pem", "ca.pem"} {
		f.Add(pemFile(f, name))
	}
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	f.Add("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\nrest")
	f.Add(" ")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := keysThatAreSent(t, text)
		if err != nil {
			require.ErrorIs(t, err, wiring.ErrInvalid)
			return
		}
		require.NotEmpty(t, keys)
		for _, key := range keys {
			block, rest := pem.Decode([]byte(key))
			require.NotNil(t, block)
			assert.Equal(t, "PUBLIC KEY", block.Type, "nothing else is ever sent to Vault")
			assert.Empty(t, rest)
			again, err := keysThatAreSent(t, key)
			require.NoError(t, err)
			assert.Equal(t, []string{key}, again)
		}
	})
}
