package floor_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/floor"
)

// vault answers as Vault does, and remembers in which order it was asked for what.
type vault struct {
	mu       sync.Mutex
	asked    []string
	tokens   map[string]bool
	batch    string
	refuse   string // a part of the path that is answered 403
	together sync.WaitGroup
	record   string
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	v.mu.Lock()
	v.asked = append(v.asked, r.Method+" "+kind)
	v.tokens[r.Header.Get("X-Vault-Token")] = true
	v.mu.Unlock()
	if v.refuse != "" && strings.Contains(r.URL.Path, v.refuse) {
		http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
		return
	}
	switch kind {
	case "auth":
		var login map[string]string
		_ = json.Unmarshal(body, &login)
		_, _ = io.WriteString(w, `{"auth":{"client_token":"`+login["role"]+`:`+login["jwt"]+`"}}`)
	case "secret":
		v.together.Done()
		v.together.Wait() // reads that were not parallel would wait for ever
		envelope := base64.StdEncoding.EncodeToString([]byte("vault:v1:" + name[strings.LastIndex(name, "/")+1:]))
		record := base64.StdEncoding.EncodeToString([]byte(`{"envelope":{"wrapped_dek":"` + envelope + `"}}`))
		if v.record != "" {
			record = v.record
		}
		_, _ = io.WriteString(w, `{"data":{"data":{"record":"`+record+`"}}}`)
	case "transit":
		v.batch = string(body)
		_, _ = io.WriteString(w, `{"data":{"batch_results":[]}}`)
	}
}

func serve(t *testing.T) (*vault, floor.Vault) {
	t.Helper()
	v := &vault{tokens: map[string]bool{}}
	v.together.Add(len(pod.Paths))
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return v, floor.Vault{Address: server.URL, Client: floor.NewClient()}
}

var pod = floor.Pod{Role: "role", JWT: "jwt", Paths: []string{"greentic/a", "greentic/b", "greentic/c"}}

func TestPlain(t *testing.T) {
	v, client := serve(t)
	require.NoError(t, client.Plain(t.Context(), pod))
	assert.Equal(t, []string{"POST auth", "GET secret", "GET secret", "GET secret"}, v.asked)
	assert.Equal(t, map[string]bool{"": true, "role:jwt": true}, v.tokens, "the login goes without a token, the rest with the pod's")
}

func TestRecords(t *testing.T) {
	v, client := serve(t)
	require.NoError(t, client.Records(t.Context(), pod))
	assert.Equal(t, []string{"POST auth", "GET secret", "GET secret", "GET secret", "POST transit"}, v.asked)
	assert.JSONEq(t, `{"batch_input":[{"ciphertext":"vault:v1:a"},{"ciphertext":"vault:v1:b"},{"ciphertext":"vault:v1:c"}]}`, v.batch)
}

func TestRefresh(t *testing.T) {
	v, client := serve(t)
	token, err := client.Login(t.Context(), pod)
	require.NoError(t, err)
	v.asked, v.tokens = nil, map[string]bool{}
	require.NoError(t, client.Refresh(t.Context(), pod, token))
	assert.Equal(t, []string{"GET secret", "GET secret", "GET secret"}, v.asked)
	assert.Equal(t, map[string]bool{"role:jwt": true}, v.tokens)
	v.refuse = "secret"
	require.ErrorContains(t, client.Refresh(t.Context(), pod, token), "reading: ")
}

func TestAnythingButSuccessIsAnError(t *testing.T) {
	for refuse, want := range map[string]string{
		"auth":    `logging in: POST "/v1/auth/kubernetes/login": status 403`,
		"secret":  `reading: GET "/v1/secret/data/greentic/`,
		"transit": `unwrapping the data keys: POST "/v1/transit/decrypt/greentic": status 403`,
	} {
		t.Run(refuse, func(t *testing.T) {
			v, client := serve(t)
			v.refuse = refuse
			require.ErrorContains(t, client.Records(t.Context(), pod), want)
		})
	}
	t.Run("no record", func(t *testing.T) {
		v, client := serve(t)
		v.record = "e30="
		require.NoError(t, client.Plain(t.Context(), pod))
		v.record, v.asked = "bm8=", nil
		v.together.Add(len(pod.Paths))
		require.ErrorContains(t, client.Records(t.Context(), pod), `reading the record at "greentic/a"`)
		assert.NotContains(t, v.asked, "POST transit")
	})
}
