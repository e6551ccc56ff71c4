package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestRequestsOfAMount counts what one mount costs, in Vault's audit log and in the API server's.
func TestRequestsOfAMount(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf().refreshing(refresh{}))
	category := unique("counts")
	records, plain, twice := "", "", ""
	for _, name := range []string{"a", "b", "c"} {
		record, fields := ref(t, env.sales, category, name), ref(t, env.sales, category, "plain-"+name)
		w.put(t, record, "a value")
		w.write(t, fields, map[string]any{"value": "a value", "user": "somebody"})
		records += fmt.Sprintf("- ref: %q\n", record)
		plain += fmt.Sprintf("- ref: %q\n", fields)
		twice += fmt.Sprintf("- ref: %q\n- {ref: %q, file: again-%s}\n", record, record, name)
	}
	base := "secret://prod/acme/sales/" + category + "/"
	for _, row := range []struct {
		name, objects string
		want          lab.AuditCount
	}{
		{"three records", records, lab.AuditCount{Logins: 1, Reads: 3, Decrypts: 1}},
		{"three plain secrets", plain, lab.AuditCount{Logins: 1, Reads: 3}},
		{"both", records + plain, lab.AuditCount{Logins: 1, Reads: 6, Decrypts: 1}},
		{"each of them twice", twice, lab.AuditCount{Logins: 1, Reads: 3, Decrypts: 1}},
		{"an absent one that falls back", "- {ref: " + base + "absent, fallback: tenant, optional: true}\n", lab.AuditCount{Logins: 1, Reads: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := class{provider: provider.name, scope: env.sales, objects: row.objects}
			// As the kubelet of a real node keeps a pod's token; a new one would have to be shown to Vault.
			volume := w.CachingKubelet().VolumesOf(w.pod(t, env.sales, c.apply(t, w)).Pod())[0]
			mark, err := w.AuditMark()
			require.NoError(t, err)
			require.NoError(t, volume.Publish(t.Context()))
			assert.Equal(t, row.want, lab.CountAudit(w.askedFor(t, mark, volume)))
			require.NoError(t, volume.Publish(t.Context()), "a republish")
			assert.Equal(t, row.want, lab.CountAudit(w.askedFor(t, mark, volume)), "which costs nothing")
		})
	}
}

// askedFor are the requests that Vault was asked on behalf of the volume's pod, which the header says that the deployer has Vault audit.
func (w *world) askedFor(t *testing.T, mark lab.Mark, v *lab.Volume) []lab.AuditEntry {
	t.Helper()
	entries, err := w.AuditSince(mark)
	require.NoError(t, err)
	pod := v.Pod()
	var own []lab.AuditEntry
	for _, entry := range entries {
		header := entry.Headers["x-greentic-pod"]
		if len(header) == 1 && header[0] == pod.Namespace+"/"+pod.Name+"/"+string(pod.UID) {
			own = append(own, entry)
		}
	}
	return own
}

// TestNoRequestsAtTheAPIServer looks through all that the API server was asked during a mount: only the lab, the driver and Vault did. The provider
// has the administrator's kubeconfig in its environment.
func TestNoRequestsAtTheAPIServer(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	provider := w.startProvider(t, w.configOf())
	mark, err := w.APIAuditMark()
	require.NoError(t, err)
	w.mounts(t, env, provider)
	last := unique("last")
	_, err = w.Clientset().CoreV1().Namespaces().Get(t.Context(), last, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	var entries []lab.APIAuditEntry
	eventually(t, func() bool { // the log is written a moment after the answer
		entries, err = w.APIAuditSince(mark)
		require.NoError(t, err)
		return slices.ContainsFunc(entries, func(e lab.APIAuditEntry) bool { return strings.HasSuffix(e.URI, last) })
	}, "the API server's log tells of the last request")
	asked := map[string]bool{}
	for _, entry := range entries {
		if entry.User != "system:apiserver" { // its own housekeeping
			agent, _, _ := strings.Cut(entry.UserAgent, "/")
			asked[entry.User+" as "+agent] = true
		}
	}
	for _, known := range []string{
		"lab-admin as gtc-lab",
		"system:node:n1 as kubelet",
		"system:serviceaccount:kube-system:secrets-store-csi-driver as csi-secrets-store",
		"system:serviceaccount:vault:vault-reviewer as Go-http-client", // Vault asks who a token is
	} {
		assert.True(t, asked[known], "%s has not asked: who has?", known)
		delete(asked, known)
	}
	assert.Empty(t, asked)
}
