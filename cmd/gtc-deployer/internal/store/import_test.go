package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/store"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func entry(t *testing.T, ref, value string) record.Entry {
	t.Helper()
	parsed, err := secretref.Parse(ref)
	require.NoError(t, err)
	return record.Entry{Meta: record.Meta{Ref: parsed, Visibility: record.VisibleToTeam, ContentType: record.ContentText}, Value: secret.NewString(value)}
}

func threeEntries(t *testing.T) []record.Entry {
	t.Helper()
	return []record.Entry{
		entry(t, "secret://prod/acme/sales/c/a", "value-a"),
		entry(t, "secret://prod/default/_/k8s-deployer/deployer_token", canary),
		entry(t, "secret://prod/acme/_/c/b", ""),
	}
}

func dids(outcomes []store.Outcome) []string {
	list := make([]string, len(outcomes))
	for i, o := range outcomes {
		list[i] = fmt.Sprintf("%s %s %d", o.Did, o.Ref.Path(), o.Version)
	}
	return list
}

func TestImportTwice(t *testing.T) {
	v := newVault()
	s := newStore(t, v)
	outcomes, err := s.Import(t.Context(), threeEntries(t), store.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"written sales/c/a 1", "left out _/k8s-deployer/deployer_token 0", "written _/c/b 1"}, dids(outcomes))
	outcomes, err = s.Import(t.Context(), threeEntries(t), store.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"same sales/c/a 1", "left out _/k8s-deployer/deployer_token 0", "same _/c/b 1"}, dids(outcomes))
	assert.Len(t, v.writes, 2)
}

func TestImportOverSomethingElse(t *testing.T) {
	const path = "secret/data/greentic/prod/acme/sales/c/a"
	tests := []struct {
		name   string
		before func(*testing.T, *vault, *store.Store)
		want   string
	}{
		{"another value", func(t *testing.T, _ *vault, s *store.Store) {
			_, err := s.Put(t.Context(), secretref.MustParse("secret://prod/acme/sales/c/a"), secret.NewString(canary))
			require.NoError(t, err)
		}, "version 1: another value"},
		{"plain fields", func(_ *testing.T, v *vault, _ *store.Store) {
			v.data[path] = []map[string]any{{"value": canary}}
		}, "version 1: plain fields"},
		{"a record that is none", func(_ *testing.T, v *vault, _ *store.Store) {
			v.data[path] = []map[string]any{{"x": "1"}, {"record": "AAAA"}}
		}, "version 2: the record cannot be opened"},
		{"a record of another secret", func(t *testing.T, v *vault, s *store.Store) {
			_, err := s.Put(t.Context(), secretref.MustParse("secret://prod/acme/sales/c/other"), secret.NewString(canary))
			require.NoError(t, err)
			v.data[path] = v.data[strings.TrimSuffix(path, "a")+"other"]
		}, "c/other"},
		{"a record whose key does not unwrap", func(t *testing.T, v *vault, s *store.Store) {
			_, err := s.Put(t.Context(), secretref.MustParse("secret://prod/acme/sales/c/a"), secret.NewString("value-a"))
			require.NoError(t, err)
			v.bend = func(_, p string, honest operator.Answer) (operator.Answer, error) {
				if p == "transit/decrypt/greentic" {
					return batch([]map[string]string{{}}, func(map[string]string) map[string]string { return map[string]string{"error": canary} }), nil
				}
				return honest, nil
			}
		}, "does not unwrap"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVault()
			s := newStore(t, v)
			tt.before(t, v, s)
			v.writes = nil
			outcomes, err := s.Import(t.Context(), threeEntries(t), store.Options{})
			require.ErrorIs(t, err, store.ErrOccupied)
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "--overwrite")
			assert.NotContains(t, err.Error(), canary)
			assert.Empty(t, outcomes)
			assert.Empty(t, v.writes, "refused as a whole")

			outcomes, err = s.Import(t.Context(), threeEntries(t), store.Options{Overwrite: true})
			require.NoError(t, err)
			assert.Len(t, v.writes, 2)
			assert.Equal(t, store.Written, outcomes[0].Did)
			assert.Equal(t, len(v.data[path]), outcomes[0].Version)
		})
	}
}

func TestImportOverADeletedVersion(t *testing.T) {
	v := newVault()
	v.data["secret/data/greentic/prod/acme/sales/c/a"] = []map[string]any{{"value": "x"}, nil}
	outcomes, err := newStore(t, v).Import(t.Context(), threeEntries(t), store.Options{})
	require.NoError(t, err)
	assert.Equal(t, "written sales/c/a 3", dids(outcomes)[0])
}

func TestImportTellsAllFaultsBeforeAnyRequest(t *testing.T) {
	v := newVault()
	v.bend = func(method, path string, _ operator.Answer) (operator.Answer, error) {
		t.Errorf("%s %s was asked", method, path)
		return operator.Answer{}, nil
	}
	entries := append(threeEntries(t), entry(t, "secret://dev/acme/sales/c/a", canary), entry(t, "secret://prod/globex/sales/c/a", canary))
	outcomes, err := newStore(t, v).Import(t.Context(), entries, store.Options{Overwrite: true})
	require.ErrorIs(t, err, store.ErrReference)
	assert.Empty(t, outcomes)
	assert.Len(t, strings.Split(err.Error(), "\n"), 2)
	assert.ErrorContains(t, err, "dev/acme")
	assert.ErrorContains(t, err, "prod/globex")
	assert.NotContains(t, err.Error(), canary)
}

func TestImportLeavesOutForeign(t *testing.T) {
	entries := append(threeEntries(t), entry(t, "secret://dev/acme/sales/c/a", canary), entry(t, "secret://prod/globex/sales/c/a", canary))
	v := newVault()
	outcomes, err := newStore(t, v).Import(t.Context(), entries, store.Options{LeaveOutForeign: true})
	require.NoError(t, err)
	assert.Len(t, v.writes, 2)
	var why []string
	for _, o := range outcomes {
		why = append(why, o.Why)
	}
	assert.Equal(t, []string{"", "the deployer's own credential", "", "of another environment or tenant", "of another environment or tenant"}, why)
}

func TestImportOfNothing(t *testing.T) {
	v := newVault()
	v.bend = func(method, path string, _ operator.Answer) (operator.Answer, error) {
		t.Errorf("%s %s was asked", method, path)
		return operator.Answer{}, nil
	}
	outcomes, err := newStore(t, v).Import(t.Context(), threeEntries(t)[1:2], store.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"left out _/k8s-deployer/deployer_token 0"}, dids(outcomes))
}

// TestImportGoesOn has more entries than one batch holds; one write fails, the others are done, and the next run does the rest.
func TestImportGoesOn(t *testing.T) {
	const many = 1203
	entries := make([]record.Entry, many)
	for i := range entries {
		entries[i] = entry(t, fmt.Sprintf("secret://prod/acme/sales/many/n%d", i), fmt.Sprintf("v%d", i))
	}
	v := newVault()
	v.bend = func(method, path string, honest operator.Answer) (operator.Answer, error) {
		if method == "POST" && strings.HasSuffix(path, "/n700") {
			return operator.Answer{Status: 400}, operator.ErrConflict
		}
		return honest, nil
	}
	s := newStore(t, v)
	outcomes, err := s.Import(t.Context(), entries, store.Options{})
	require.ErrorIs(t, err, operator.ErrConflict)
	assert.ErrorContains(t, err, "many/n700")
	assert.Len(t, v.writes, many-1)
	for i, o := range outcomes {
		if i == 700 {
			assert.Equal(t, store.Failed, o.Did)
			continue
		}
		require.Equal(t, store.Written, o.Did, o.Ref)
	}
	v.bend, v.writes = nil, nil
	outcomes, err = s.Import(t.Context(), entries, store.Options{})
	require.NoError(t, err)
	assert.Len(t, v.writes, 1)
	assert.Equal(t, store.Written, outcomes[700].Did)
	assert.Equal(t, store.Same, outcomes[701].Did)
}
