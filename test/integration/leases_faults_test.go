package integration_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLeasesThatEndBehindTheProvidersBack: an operator revokes, or the provider stands still for longer than a lease lasts. The next call of the
// driver after it is noticed brings a credential that works, which is counted and told.
func TestLeasesThatEndBehindTheProvidersBack(t *testing.T) {
	t.Parallel()
	const ttl = 6 * time.Second
	for name, end := range map[string]func(*testing.T, *leasing, *provider){
		"the token is revoked": func(t *testing.T, l *leasing, _ *provider) {
			keys, err := l.vault.Logical().ListWithContext(t.Context(), "auth/token/accessors")
			require.NoError(t, err)
			revoked := 0
			for _, accessor := range keys.Data["keys"].([]any) {
				found, err := l.vault.Logical().WriteWithContext(t.Context(), "auth/token/lookup-accessor", map[string]any{"accessor": accessor})
				if err != nil || found == nil { // another test's, which has ended meanwhile
					continue
				}
				if metadata, _ := found.Data["meta"].(map[string]any); metadata["service_account_namespace"] == badgeOf(l.sales).Namespace {
					l.set(t, "auth/token/revoke-accessor", map[string]any{"accessor": accessor})
					revoked++
				}
			}
			require.Equal(t, 1, revoked)
		},
		"the lease is revoked": func(t *testing.T, l *leasing, _ *provider) {
			l.set(t, "sys/leases/revoke-prefix/"+l.id+"-database/creds", nil)
		},
		"the provider stands still": func(t *testing.T, _ *leasing, p *provider) {
			require.NoError(t, p.Signal(syscall.SIGSTOP))
			time.Sleep(ttl + 2*time.Second)
			require.NoError(t, p.Signal(syscall.SIGCONT))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeasing(t, "behind-"+strings.Fields(name)[1])
			l.credentials(t, l.sales, ttl.String(), "1h")
			provider := l.startProvider(t, l.config())
			volume := l.mount(t, l.credentialClass(provider, l.sales))
			user, password := credential(t, volume)
			require.True(t, l.database.Works(t.Context(), user, password))
			end(t, l, provider)
			eventually(t, func() bool { return !l.database.Works(t.Context(), user, password) }, "it has ended at Vault")
			next, secret := user, password
			eventually(t, func() bool {
				require.NoError(t, volume.Publish(t.Context()))
				next, secret = credential(t, volume)
				return next != user
			}, "another one")
			assert.True(t, l.database.Works(t.Context(), next, secret))
			metrics := provider.scrape(t)
			assert.Contains(t, metrics, `greentic_provider_lease_events_total{what="replaced"} 1`)
			if strings.HasSuffix(name, "revoked") { // or else its life alone says that it is over
				assert.Regexp(t, `greentic_provider_lease_events_total\{what="lost"\} [1-9]`, metrics)
				assert.Contains(t, provider.log(t), "lease not renewed, it is replaced when the pod asks")
			}
		})
	}
}
