package store_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/place"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/store"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-of-a-value"

// vault holds KV v2 versions and a transit engine that only encodes. What it answers can be bent: tests of how the real one answers are
// with the lab.
type vault struct {
	mu     sync.Mutex
	data   map[string][]map[string]any // versions by path
	bend   func(method, path string, honest operator.Answer) (operator.Answer, error)
	writes []string
}

func newVault() *vault { return &vault{data: map[string][]map[string]any{}} }

func (v *vault) Read(_ context.Context, path string) (operator.Answer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	honest := operator.Answer{Status: 404}
	if path == "transit/keys/greentic" {
		honest = answer(map[string]any{"name": "greentic"})
	} else if versions := v.data[path]; len(versions) > 0 {
		honest = answer(map[string]any{"data": versions[len(versions)-1], "metadata": map[string]any{"version": len(versions)}})
		if versions[len(versions)-1] == nil {
			honest.Status = 404
		}
	}
	return v.bent("GET", path, honest)
}

func (v *vault) Write(_ context.Context, path string, body any) (operator.Answer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text, err := json.Marshal(body)
	if err != nil {
		return operator.Answer{}, err
	}
	var in struct {
		Batch   []map[string]string `json:"batch_input"`
		Data    map[string]any      `json:"data"`
		Options struct {
			CAS *int `json:"cas"`
		} `json:"options"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return operator.Answer{}, err
	}
	var honest operator.Answer
	switch path {
	case "transit/encrypt/greentic":
		honest = batch(in.Batch, func(i map[string]string) map[string]string {
			return map[string]string{"ciphertext": "vault:v1:" + base64.StdEncoding.EncodeToString([]byte(i["plaintext"]))}
		})
	case "transit/decrypt/greentic":
		honest = batch(in.Batch, func(i map[string]string) map[string]string {
			plain, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(i["ciphertext"], "vault:v1:"))
			if err != nil {
				return map[string]string{"error": "invalid ciphertext"}
			}
			return map[string]string{"plaintext": string(plain)}
		})
	default:
		if in.Options.CAS == nil || *in.Options.CAS != len(v.data[path]) {
			return operator.Answer{Status: 400}, fmt.Errorf("POST %s: %w", path, operator.ErrConflict)
		}
		honest = answer(map[string]any{"version": len(v.data[path]) + 1})
	}
	bent, err := v.bent("POST", path, honest)
	if err == nil && in.Data != nil {
		v.data[path] = append(v.data[path], in.Data)
		v.writes = append(v.writes, path)
	}
	return bent, err
}

func (v *vault) bent(method, path string, honest operator.Answer) (operator.Answer, error) {
	if v.bend == nil {
		return honest, nil
	}
	return v.bend(method, path, honest)
}

func answer(data any) operator.Answer {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return operator.Answer{Status: 200, Data: text}
}

func batch(inputs []map[string]string, each func(map[string]string) map[string]string) operator.Answer {
	results := make([]map[string]string, len(inputs))
	for i, input := range inputs {
		results[i] = each(input)
	}
	return answer(map[string]any{"batch_results": results})
}

func newStore(t *testing.T, v *vault) *store.Store {
	t.Helper()
	places, err := place.New(place.Names{})
	require.NoError(t, err)
	return store.New(v, places, store.Owner{Env: "prod", Tenants: []string{"acme"}})
}

var bot = secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_bot_token")

const botPath = "secret/data/greentic/prod/acme/sales/messaging-slack/slack_bot_token"

func TestPutCountsOn(t *testing.T) {
	v := newVault()
	s := newStore(t, v)
	for want := 1; want <= 3; want++ {
		version, err := s.Put(t.Context(), bot, secret.NewString(canary))
		require.NoError(t, err)
		assert.Equal(t, want, version)
	}
	v.data[botPath] = append(v.data[botPath], nil) // deleted: the version counts nevertheless
	version, err := s.Put(t.Context(), bot, secret.NewString(canary))
	require.NoError(t, err)
	assert.Equal(t, 5, version)
	// Each version has a data key of its own, and the value is in none of them.
	text, err := json.Marshal(v.data)
	require.NoError(t, err)
	assert.NotContains(t, string(text), canary)
	assert.NotEqual(t, v.data[botPath][0], v.data[botPath][1])
}

func TestPutOverWhatIsNoRecord(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"plain fields":     {"value": "x"},
		"a broken record":  {"record": "!"},
		"deleted by words": {"__greentic_deleted": true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			v.data[botPath] = []map[string]any{data}
			version, err := newStore(t, v).Put(t.Context(), bot, secret.NewString(canary))
			require.NoError(t, err)
			assert.Equal(t, 2, version)
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, ref string
		faults    int
		want      string
	}{
		{"own", "secret://prod/acme/sales/c/n", 0, ""},
		{"whole tenant", "secret://prod/acme/_/c/n", 0, ""},
		{"version", "secret://prod/acme/sales/c/n@2", 1, "version 2"},
		{"environment", "secret://dev/acme/sales/c/n", 1, `environment "dev"`},
		{"tenant", "secret://prod/globex/sales/c/n", 1, `tenants are ["acme"]`},
		{"everything", "secret://dev/globex/sales/c/n@1", 3, ""},
		{"deployer's token", "secret://prod/default/_/k8s-deployer/deployer_token", 2, "own credential"},
		{"deployer's session", "secret://prod/default/default/aws-deployer/deployer_session", 2, "own credential"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ref, err := secretref.Parse(tt.ref)
			require.NoError(t, err)
			v := newVault()
			err = newStore(t, v).Check(ref)
			if tt.faults == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, store.ErrReference)
			assert.ErrorContains(t, err, tt.want)
			assert.Len(t, strings.Split(err.Error(), "\n"), tt.faults)
			_, err = newStore(t, v).Put(t.Context(), ref, secret.NewString(canary))
			require.ErrorIs(t, err, store.ErrReference)
			assert.Empty(t, v.writes)
		})
	}
}

func TestReserved(t *testing.T) {
	for text, want := range map[string]bool{
		"secret://local/default/_/k8s-deployer/deployer_token":        true,
		"secret://any/default/default/k8s-deployer/deployer_token@3":  true,
		"secret://local/default/_/aws-deployer/deployer_session":      true,
		"secret://local/default/sales/k8s-deployer/deployer_token":    false,
		"secret://local/acme/_/k8s-deployer/deployer_token":           false,
		"secret://local/default/_/k8s-deployer/deployer_token_backup": false,
	} {
		ref, err := secretref.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, want, store.Reserved(ref), text)
	}
}

// TestHostileVault bends one answer at a time; nothing is written, and no error repeats a value.
func TestHostileVault(t *testing.T) {
	bend := func(wantMethod, wantPath string, with operator.Answer, fail error) func(string, string, operator.Answer) (operator.Answer, error) {
		return func(method, path string, honest operator.Answer) (operator.Answer, error) {
			if method == wantMethod && strings.HasPrefix(path, wantPath) {
				return with, fail
			}
			return honest, nil
		}
	}
	raw := func(text string) operator.Answer { return operator.Answer{Status: 200, Data: json.RawMessage(text)} }
	tests := []struct {
		name string
		bend func(string, string, operator.Answer) (operator.Answer, error)
		want error
		text string
	}{
		{"no key", bend("GET", "transit/keys", operator.Answer{Status: 404}, nil), store.ErrNotWired, "vault apply"},
		{"key refused", bend("GET", "transit/keys", operator.Answer{}, operator.ErrDenied), operator.ErrDenied, "transit key"},
		{"no mount", bend("GET", "secret/", operator.Answer{Status: 404, Unmounted: true}, nil), store.ErrNotWired, "KV mount secret/"},
		{"read refused", bend("GET", "secret/", operator.Answer{}, operator.ErrDenied), operator.ErrDenied, "slack_bot_token"},
		{"KV version 1", bend("GET", "secret/", raw(`{"value":"`+canary+`"}`), nil), record.ErrAnswer, "version 2"},
		{"a version that is none", bend("GET", "secret/", raw(`{"data":{},"metadata":{"version":"`+canary+`"}}`), nil), operator.ErrAnswer, "shape"},
		{"a list", bend("GET", "secret/", raw(`["`+canary+`"]`), nil), operator.ErrAnswer, "shape"},
		{"encrypt refused", bend("POST", "transit/encrypt", operator.Answer{}, operator.ErrDenied), operator.ErrDenied, "wrapping"},
		{"nothing wrapped", bend("POST", "transit/encrypt", operator.Answer{Status: 204}, nil), operator.ErrAnswer, "no data"},
		{"too few wrapped", bend("POST", "transit/encrypt", raw(`{"batch_results":[]}`), nil), operator.ErrAnswer, "0 results for 1"},
		{"too many wrapped", bend("POST", "transit/encrypt", raw(`{"batch_results":[{},{}]}`), nil), operator.ErrAnswer, "2 results for 1"},
		{"wrapped with an error", bend("POST", "transit/encrypt", raw(`{"batch_results":[{"error":"`+canary+`"}]}`), nil), operator.ErrAnswer, "refuses"},
		{"wrapped into nothing", bend("POST", "transit/encrypt", raw(`{"batch_results":[{"ciphertext":""}]}`), nil), record.ErrInvalid, "transit"},
		{"wrapped into something else", bend("POST", "transit/encrypt", raw(`{"batch_results":[{"ciphertext":"`+canary+`"}]}`), nil), record.ErrInvalid, "transit"},
		{"write refused", bend("POST", "secret/", operator.Answer{}, operator.ErrDenied), operator.ErrDenied, "writing"},
		{"somebody else was faster", bend("POST", "secret/", operator.Answer{Status: 400}, operator.ErrConflict), operator.ErrConflict, "after its version 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			put, imported := newVault(), newVault()
			put.bend, imported.bend = tt.bend, tt.bend
			_, putErr := newStore(t, put).Put(t.Context(), bot, secret.NewString(canary))
			entries := []record.Entry{{Meta: record.Meta{Ref: bot}, Value: secret.NewString(canary), Version: 1}}
			outcomes, importErr := newStore(t, imported).Import(t.Context(), entries, store.Options{})
			for _, err := range []error{putErr, importErr} {
				require.ErrorIs(t, err, tt.want)
				assert.ErrorContains(t, err, tt.text)
				assert.NotContains(t, err.Error(), canary)
			}
			assert.Empty(t, put.writes)
			assert.Empty(t, imported.writes)
			for _, o := range outcomes {
				assert.Equal(t, store.Failed, o.Did)
			}
		})
	}
}

func TestLongestValue(t *testing.T) {
	v := newVault()
	_, err := newStore(t, v).Put(t.Context(), bot, secret.New(make([]byte, store.MaxValue)))
	require.NoError(t, err)
	text := v.data[botPath][0]["record"].(string)
	assert.Less(t, len(text)+4<<10, 1<<20, "with room for what a record says of itself, Vault takes it")

	v.writes = nil
	_, err = newStore(t, v).Put(t.Context(), bot, secret.New(make([]byte, store.MaxValue+1)))
	require.ErrorIs(t, err, store.ErrTooLong)
	assert.ErrorContains(t, err, "524289 bytes")
	entries := []record.Entry{
		{Meta: record.Meta{Ref: bot}, Value: secret.New(make([]byte, store.MaxValue+1))},
		{Meta: record.Meta{Ref: secretref.MustParse("secret://dev/acme/sales/c/n")}, Value: secret.New(make([]byte, store.MaxValue+1))},
	}
	_, err = newStore(t, v).Import(t.Context(), entries, store.Options{Overwrite: true})
	require.ErrorIs(t, err, store.ErrTooLong)
	assert.Len(t, strings.Split(err.Error(), "\n"), 3, "all faults of all entries")
	assert.Empty(t, v.writes)
}

func TestMetaOfAPut(t *testing.T) {
	tests := []struct {
		name       string
		ref        secretref.Reference
		value      string
		visibility record.Visibility
		content    record.ContentType
	}{
		{"a team's text", bot, "text", record.VisibleToTeam, record.ContentText},
		{"the tenant's", bot.WholeTenant(), "text", record.VisibleToTenant, record.ContentText},
		{"bytes", bot, "\xff\x00", record.VisibleToTeam, record.ContentBinary},
		{"nothing", bot, "", record.VisibleToTeam, record.ContentText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVault()
			_, err := newStore(t, v).Put(t.Context(), tt.ref, secret.NewString(tt.value))
			require.NoError(t, err)
			var written struct {
				Meta struct {
					URI         string             `json:"uri"`
					Visibility  record.Visibility  `json:"visibility"`
					ContentType record.ContentType `json:"contentType"`
				} `json:"meta"`
			}
			path := "secret/data/greentic/" + tt.ref.Key()
			require.Len(t, v.data[path], 1)
			text, err := base64.StdEncoding.DecodeString(v.data[path][0]["record"].(string))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &written))
			assert.Equal(t, tt.ref.StoreURI(), written.Meta.URI)
			assert.Equal(t, tt.visibility, written.Meta.Visibility)
			assert.Equal(t, tt.content, written.Meta.ContentType)
		})
	}
}

var errGone = fmt.Errorf("dial: %w", operator.ErrUnreachable)

func TestGoneIsToldOnce(t *testing.T) {
	entries := make([]record.Entry, 50)
	for i := range entries {
		ref, err := bot.Scope().Reference("many", fmt.Sprintf("n%d", i))
		require.NoError(t, err)
		entries[i] = record.Entry{Meta: record.Meta{Ref: ref}, Value: secret.NewString(canary)}
	}
	v := newVault()
	v.bend = func(method, path string, honest operator.Answer) (operator.Answer, error) {
		if method == "GET" && strings.HasPrefix(path, "secret/") {
			return operator.Answer{}, errGone
		}
		return honest, nil
	}
	_, err := newStore(t, v).Import(t.Context(), entries, store.Options{})
	require.ErrorIs(t, err, operator.ErrUnreachable)
	assert.Len(t, strings.Split(err.Error(), "\n"), 1)

	v.bend = func(_, path string, honest operator.Answer) (operator.Answer, error) {
		if strings.HasSuffix(path, "n7") {
			return operator.Answer{}, operator.ErrDenied
		}
		return honest, nil
	}
	_, err = newStore(t, v).Import(t.Context(), entries, store.Options{})
	require.True(t, errors.Is(err, operator.ErrDenied))
	assert.Empty(t, v.writes, "a fault of reading comes before every write")
}
