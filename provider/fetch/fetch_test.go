package fetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	slack    = secretref.MustParse("secret://prod/acme/sales/slack/token")
	database = secretref.MustParse("secret://prod/acme/sales/configs/database")
	openai   = secretref.MustParse("secret://prod/acme/sales/openai/api_key")
	tenants  = secretref.MustParse("secret://prod/acme/_/openai/api_key")
)

// kv is a Vault of this package's own interface: what is stored, and what was asked.
type kv struct {
	mu      sync.Mutex
	data    map[string]string
	errs    map[string]error
	keys    map[string][]byte // by wrapped key
	reads   []string
	batches [][]string
	decrypt error
	onRead  func(key string)
	issues  map[string]vault.Issued // by raw path
	asks    []vault.Ask
}

func newKV() *kv {
	return &kv{data: map[string]string{}, errs: map[string]error{}, keys: map[string][]byte{}, issues: map[string]vault.Issued{}}
}

func (k *kv) Read(_ context.Context, _ vault.Token, key string, version int) (secret.Value, error) {
	if k.onRead != nil {
		k.onRead(key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if version != 0 {
		key += fmt.Sprintf("@%d", version)
	}
	k.reads = append(k.reads, key)
	if err, ok := k.errs[key]; ok {
		return secret.Value{}, err
	}
	data, ok := k.data[key]
	if !ok {
		return secret.Value{}, fmt.Errorf("reading %q: %w", key, vault.ErrNotFound)
	}
	return secret.NewString(data), nil
}

func (k *kv) Decrypt(_ context.Context, _ vault.Token, ciphertexts []string) ([]vault.Decrypted, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.batches = append(k.batches, ciphertexts)
	if k.decrypt != nil {
		return nil, k.decrypt
	}
	outcomes := make([]vault.Decrypted, len(ciphertexts))
	for i, text := range ciphertexts {
		key, ok := k.keys[text]
		if !ok {
			outcomes[i].Err = vault.ErrCiphertext
			continue
		}
		outcomes[i].Plaintext = secret.New(append([]byte{}, key...))
	}
	return outcomes, nil
}

func (k *kv) Issue(_ context.Context, _ vault.Token, ask vault.Ask) (vault.Issued, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asks = append(k.asks, ask)
	if err, ok := k.errs[ask.Path]; ok {
		return vault.Issued{}, err
	}
	return k.issues[ask.Path], nil
}

func (k *kv) put(t *testing.T, ref secretref.Reference, fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"data": fields, "metadata": map[string]any{"version": 1}})
	require.NoError(t, err)
	key := ref.Key()
	if ref.Version() != 0 {
		key += fmt.Sprintf("@%d", ref.Version())
	}
	k.data[key] = string(text)
}

func (k *kv) putRecord(t *testing.T, ref secretref.Reference, value string) {
	t.Helper()
	wrapped := "vault:v1:" + strings.ReplaceAll(ref.Key(), "/", "-")
	key := record.NewDataKey()
	k.keys[wrapped] = append([]byte{}, key.Reveal()...)
	fields, err := record.Seal(record.Meta{Ref: ref}, secret.NewString(value), key, wrapped)
	require.NoError(t, err)
	k.put(t, ref, fields)
}

// granted is what badge.Admit, the only door, says for a pod of prod/acme/sales.
func granted(t *testing.T, refs ...secretref.Reference) []badge.Granted {
	t.Helper()
	scope := secretref.MustParseScope("prod/acme/sales")
	pod := badge.Pod{Namespace: "gtc-prod--acme--sales", Name: "w", UID: "u", ServiceAccount: "gtc.acme.sales"}
	asks := make([]badge.Ask, len(refs))
	for i, ref := range refs {
		asks[i].Reference = ref
	}
	return admitted(t, scope, pod, asks)
}

func admitted(t *testing.T, scope secretref.Scope, pod badge.Pod, asks []badge.Ask, rules ...badge.PathRule) []badge.Granted {
	t.Helper()
	g, err := badge.Naming{}.Admit(badge.Claim{
		Scope: scope, Pod: pod, Audience: "vault", Asks: asks, Paths: rules,
		Token: badge.Claims{
			Subject: "system:serviceaccount:" + pod.Namespace + ":" + pod.ServiceAccount, Namespace: pod.Namespace, ServiceAccount: pod.ServiceAccount,
			PodName: pod.Name, PodUID: pod.UID, Audiences: []string{"vault"}, Expires: time.Now().Add(time.Hour),
		},
	}, time.Now())
	require.NoError(t, err)
	return g
}

func wishes(t *testing.T, refs ...secretref.Reference) []fetch.Wish {
	t.Helper()
	w := make([]fetch.Wish, len(refs))
	for i, g := range granted(t, refs...) {
		w[i].Granted = g
	}
	return w
}

func TestRecordsAndPlainSecretsInOrder(t *testing.T) {
	k := newKV()
	k.putRecord(t, slack, "xoxb")
	k.putRecord(t, tenants, "sk")
	k.put(t, database, map[string]any{"value": "v"})
	found, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, tenants, database, slack, slack))
	require.NoError(t, err)
	require.Len(t, found, 4)
	assert.Equal(t, "sk", found[0].Value.RevealString())
	assert.Equal(t, tenants, found[0].Reference)
	field, ok := found[1].Stored.Field("value")
	assert.True(t, ok)
	assert.Equal(t, "v", field.RevealString())
	assert.Equal(t, "xoxb", found[2].Value.RevealString())
	assert.Equal(t, "xoxb", found[3].Value.RevealString())
	assert.ElementsMatch(t, []string{tenants.Key(), database.Key(), slack.Key()}, k.reads, "each once")
	require.Len(t, k.batches, 1)
	assert.Len(t, k.batches[0], 2, "two data keys in one request")
}

func TestReadsAreAtTheSameTime(t *testing.T) {
	k := newKV()
	k.put(t, slack, map[string]any{"value": "a"})
	k.put(t, database, map[string]any{"value": "b"})
	var both sync.WaitGroup
	both.Add(2)
	k.onRead = func(string) {
		both.Done()
		both.Wait() // ends only if the other one has begun
	}
	_, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, slack, database))
	require.NoError(t, err)
	assert.Empty(t, k.batches, "plain secrets need no transit")
}

func TestVersionsAreSecretsOfTheirOwn(t *testing.T) {
	k := newKV()
	second := secretref.MustParse("secret://prod/acme/sales/slack/token@2")
	k.put(t, slack, map[string]any{"value": "newest"})
	k.put(t, second, map[string]any{"value": "second"})
	found, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, slack, second))
	require.NoError(t, err)
	newest, _ := found[0].Stored.Field("value")
	pinned, _ := found[1].Stored.Field("value")
	assert.Equal(t, "newest", newest.RevealString())
	assert.Equal(t, "second", pinned.RevealString())
}

func TestFallback(t *testing.T) {
	refused := fmt.Errorf("reading: %w", vault.ErrPolicy)
	tombstone := `{"data":{"__greentic_deleted":true},"metadata":{"version":2}}`
	for name, row := range map[string]struct {
		prepare  func(*kv)
		optional bool
		from     secretref.Reference
		is       error
		reads    int
	}{
		"the team's":            {func(k *kv) { k.put(t, openai, map[string]any{"value": "v"}) }, false, openai, nil, 1},
		"absent":                {func(*kv) {}, false, tenants, nil, 2},
		"deleted":               {func(k *kv) { k.data[openai.Key()] = tombstone }, false, tenants, nil, 2},
		"refused":               {func(k *kv) { k.errs[openai.Key()] = refused }, false, openai, vault.ErrPolicy, 1},
		"refused and optional":  {func(k *kv) { k.errs[openai.Key()] = refused }, true, openai, vault.ErrPolicy, 1},
		"both absent":           {func(k *kv) { delete(k.data, tenants.Key()) }, false, openai, vault.ErrNotFound, 2},
		"both absent, optional": {func(k *kv) { delete(k.data, tenants.Key()) }, true, secretref.Reference{}, nil, 2},
		"the other refused":     {func(k *kv) { k.errs[tenants.Key()] = refused }, true, openai, vault.ErrPolicy, 2},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKV()
			k.put(t, tenants, map[string]any{"value": "tenant's"})
			row.prepare(k)
			wish := wishes(t, openai)
			wish[0].Fallback, wish[0].Optional = true, row.optional
			found, err := fetch.All(t.Context(), k, vault.Token{}, wish)
			require.ErrorIs(t, err, row.is)
			assert.Len(t, k.reads, row.reads)
			if err == nil {
				assert.Equal(t, row.from, found[0].Reference)
				assert.Equal(t, row.from.IsZero(), found[0].IsAbsent())
			}
		})
	}
	t.Run("to what is asked for as well", func(t *testing.T) {
		k := newKV()
		k.putRecord(t, tenants, "sk")
		wish := wishes(t, openai, tenants)
		wish[0].Fallback = true
		found, err := fetch.All(t.Context(), k, vault.Token{}, wish)
		require.NoError(t, err)
		assert.Equal(t, "sk", found[0].Value.RevealString())
		assert.Equal(t, "sk", found[1].Value.RevealString())
		assert.Len(t, k.reads, 2, "the tenant's is read once")
		assert.Len(t, k.batches, 1)
	})
}

func TestOptionalIsAboutAbsenceOnly(t *testing.T) {
	for name, err := range map[string]error{"unavailable": vault.ErrUnavailable, "refused": vault.ErrPolicy, "no answer": vault.ErrAnswer} {
		t.Run(name, func(t *testing.T) {
			k := newKV()
			k.errs[slack.Key()] = err
			wish := wishes(t, slack)
			wish[0].Optional = true
			_, got := fetch.All(t.Context(), k, vault.Token{}, wish)
			require.ErrorIs(t, got, err)
		})
	}
}

func TestEveryFaultIsToldAndOneHidesNoOther(t *testing.T) {
	k := newKV()
	k.putRecord(t, slack, "xoxb")
	k.putRecord(t, database, "canary")
	delete(k.keys, "vault:v1:prod-acme-sales-configs-database")
	k.data[openai.Key()] = `{"data":{"record":"%%canary"},"metadata":{"version":1}}`
	_, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, slack, database, openai, tenants))
	require.ErrorIs(t, err, vault.ErrCiphertext)
	require.ErrorIs(t, err, record.ErrCorrupt)
	require.ErrorIs(t, err, vault.ErrNotFound)
	assert.NotContains(t, err.Error(), "objects[0]")
	assert.ErrorContains(t, err, `objects[1]: opening the record "secret://prod/acme/sales/configs/database"`)
	assert.ErrorContains(t, err, "objects[2]: ")
	assert.ErrorContains(t, err, "objects[3]: ")
	assert.NotContains(t, err.Error(), "canary")
}

func TestATransitThatFailsIsToldOnce(t *testing.T) {
	k := newKV()
	k.putRecord(t, slack, "a")
	k.putRecord(t, database, "b")
	k.decrypt = fmt.Errorf("decrypting: %w", vault.ErrPolicy)
	_, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, slack, database))
	require.ErrorIs(t, err, vault.ErrPolicy)
	assert.Equal(t, 1, strings.Count(err.Error(), "decrypting"))
}

func TestNothingIsReadThatWasNotGranted(t *testing.T) {
	k := newKV()
	k.put(t, slack, map[string]any{"value": "v"})
	_, err := fetch.All(t.Context(), k, vault.Token{}, append(wishes(t, slack), fetch.Wish{}))
	require.ErrorIs(t, err, fetch.ErrNotGranted)
	assert.ErrorContains(t, err, "objects[1]")
	assert.Empty(t, k.reads)
}

func TestAMountDoesNotReadWithoutEnd(t *testing.T) {
	k := newKV()
	var refs []secretref.Reference
	for i := range 9 {
		ref, err := secretref.Parse(fmt.Sprintf("secret://prod/acme/sales/big/s%d", i))
		require.NoError(t, err)
		k.data[ref.Key()] = strings.Repeat("x", 4<<20) // counted before it is looked at
		refs = append(refs, ref)
	}
	_, err := fetch.All(t.Context(), k, vault.Token{}, wishes(t, refs...))
	require.ErrorIs(t, err, fetch.ErrTooMuch)
	_, err = fetch.All(t.Context(), k, vault.Token{}, wishes(t, refs[:8]...))
	require.NotErrorIs(t, err, fetch.ErrTooMuch)
}

func TestAPanicIsTheCallersToRecover(t *testing.T) {
	k := newKV()
	k.onRead = func(string) { panic(errors.New("canary")) }
	defer func() {
		cause := recover()
		require.NotNil(t, cause, "the panic went elsewhere")
		assert.NotContains(t, fmt.Sprint(cause), "canary")
		stack, ok := cause.(interface{ Stack() []byte })
		require.True(t, ok)
		assert.Contains(t, string(stack.Stack()), "fetch_test.go")
	}()
	_, _ = fetch.All(t.Context(), k, vault.Token{}, wishes(t, slack, database))
}

func TestARevokedTokenExcusesNoSecret(t *testing.T) {
	refusable := fetch.Wish{Refusable: true}
	assert.True(t, refusable.Excuses(fmt.Errorf("reading: %w", vault.ErrPolicy)))
	assert.False(t, refusable.Excuses(fmt.Errorf("reading: %w: %w", vault.ErrPolicy, vault.ErrEnded)), "it says nothing of the right")
}
