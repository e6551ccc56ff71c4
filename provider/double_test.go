package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// vaultToken is what the double lets everybody in with.
const vaultToken = "hvb.canary-of-vault"

// doubleVault stands for a Vault that does as it should, until a test gives it another answer. The real Vault's part is tested on the
// lab; this one is for the order of things, and for answers that a real Vault does not give.
type doubleVault struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	stored   map[string]string           // "data" of an answer by the path below secret/data/greentic/
	override map[string]http.HandlerFunc // by the first words of the path below /v1/
	requests []string                    // method and path below /v1/, with the version
	headers  []http.Header
	login    map[string]string // the metadata of a login's answer
	kind     string            // the login's token_type
}

func newVault(t testing.TB) *doubleVault {
	t.Helper()
	v := &doubleVault{t: t, stored: map[string]string{}, override: map[string]http.HandlerFunc{}, kind: "batch", login: map[string]string{
		"role": "gtc.prod.acme.sales", "service_account_namespace": "gtc-prod--acme--sales", "service_account_name": "gtc.acme.sales",
	}}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *doubleVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	asked := path
	if version := r.URL.Query().Get("version"); version != "" {
		asked += "@" + version
	}
	v.mu.Lock()
	v.requests = append(v.requests, asked)
	v.headers = append(v.headers, r.Header.Clone())
	answer := v.answerTo(path, asked)
	v.mu.Unlock()
	answer(w, r)
}

func (v *doubleVault) answerTo(path, asked string) http.HandlerFunc {
	for prefix, answer := range v.override {
		if strings.HasPrefix(path, prefix) {
			return answer
		}
	}
	key, isRead := strings.CutPrefix(asked, "secret/data/greentic/")
	data, there := v.stored[key]
	switch {
	case strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		return answers(200, map[string]any{"request_id": "b78ca38f-7270-c647-fe2c-50dd93c6edda", "auth": map[string]any{
			"client_token": vaultToken, "token_type": v.kind, "metadata": v.login,
		}})
	case path == "auth/token/revoke-self":
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }
	case path == "transit/decrypt/greentic":
		return decrypt
	case isRead && there:
		return answers(200, map[string]any{"data": json.RawMessage(data)})
	default:
		return answers(404, map[string]any{"errors": []string{}})
	}
}

func answers(status int, body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if text, isText := body.(string); isText {
			_, _ = w.Write([]byte(text))
			return
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

// decrypt is a transit whose ciphertexts are "vault:v1:" and the plaintext in base64.
func decrypt(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Input []struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"batch_input"`
	}
	_ = json.NewDecoder(r.Body).Decode(&request)
	status, results := 200, []map[string]string{}
	for _, item := range request.Input {
		text := strings.TrimPrefix(item.Ciphertext, "vault:v1:")
		if strings.HasPrefix(text, "poison") {
			status = 400
			results = append(results, map[string]string{"plaintext": "", "error": "invalid ciphertext"})
			continue
		}
		results = append(results, map[string]string{"plaintext": text})
	}
	answers(status, map[string]any{"data": map[string]any{"batch_results": results}})(w, r)
}

const created = "2026-01-02T03:04:05.678901234Z"

// put stores plain fields, and putRecord a record, under ref and its version (1 if it pins none).
func (v *doubleVault) put(ref string, fields map[string]any) {
	v.t.Helper()
	v.store(ref, fields)
}

func (v *doubleVault) putRecord(ref, value string) {
	v.t.Helper()
	key := record.NewDataKey()
	v.putSealed(ref, value, key, "vault:v1:"+base64.StdEncoding.EncodeToString(key.Reveal()))
}

func (v *doubleVault) putSealed(ref, value string, key secret.Value, wrapped string) {
	v.t.Helper()
	parsed, err := secretref.Parse(ref)
	require.NoError(v.t, err)
	fields, err := record.Seal(record.Meta{Ref: parsed}, secret.NewString(value), key, wrapped)
	require.NoError(v.t, err)
	v.store(ref, fields)
}

func (v *doubleVault) store(ref string, fields map[string]any) {
	v.t.Helper()
	parsed, err := secretref.Parse(ref)
	require.NoError(v.t, err)
	data, err := json.Marshal(map[string]any{
		"data": fields, "metadata": map[string]any{"version": max(parsed.Version(), 1), "created_time": created, "destroyed": false},
	})
	require.NoError(v.t, err)
	key := parsed.Key()
	if parsed.Version() != 0 {
		key += fmt.Sprintf("@%d", parsed.Version())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stored[key] = string(data)
}

// asked are the requests so far.
func (v *doubleVault) asked() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string{}, v.requests...)
}

// answer overrides what is answered below prefix.
func (v *doubleVault) answer(prefix string, with http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.override[prefix] = with
}
