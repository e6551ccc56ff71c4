package integration_test

import (
	"fmt"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestInjectedTokens has a pod's author put another pod's token wherever the driver looks for tokens. It does not get that pod's secrets, nor its own
// by a token that is not its own.
func TestInjectedTokens(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL)))
		secret := ref(t, env.sales, unique("injected"), "token")
		w.put(t, secret, "sales' own")
		c := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", secret)}
		className := c.apply(t, w)
		victim := tokens(t, w.token(t, w.pod(t, env.sales, className)))
		foreign := tokens(t, w.token(t, w.pod(t, env.support, className)))

		// The thief is a pod of support, with a class of its own that claims sales; the twin is another pod of sales.
		thief := c
		thief.scope = env.support
		thief.objects = "- ref: secret://prod/acme/support/a/b"
		thiefClass := thief.apply(t, w)
		claim := map[string]string{"scope": env.sales.String(), "objects": c.objects}
		for _, row := range []struct {
			name       string
			of         class
			class      string
			attributes map[string]string
			secret     map[string]string // of nodePublishSecretRef
			change     lab.Change
			code       codes.Code // OK is no refusal
			says       string
		}{
			{name: "by volumeAttributes, over which the kubelet writes its own", of: c, class: className, attributes: map[string]string{tokensKey: foreign}},
			{
				name: "by volumeAttributes, and the kubelet sends none", of: c, class: className,
				change: lab.WithTokens(foreign), code: codes.PermissionDenied, says: "it is another pod's token",
			},
			{
				name: "a pod of the same team, by volumeAttributes", of: c, class: className,
				change: lab.WithTokens(victim), code: codes.PermissionDenied, says: "its kubernetes.io.pod.uid is",
			},
			{
				name: "by secrets, which the driver prefers", of: c, class: className,
				change: addSecret(foreign), code: codes.PermissionDenied, says: "it is another pod's token",
			},
			{
				name: "a thief claims the scope with the victim's token, by attribute", of: thief, class: thiefClass, attributes: claim,
				change: lab.WithTokens(victim), code: codes.PermissionDenied, says: "scope: ",
			},
			{
				name: "a thief claims the scope with the victim's token, by secrets", of: thief, class: thiefClass, attributes: claim,
				change: addSecret(victim), code: codes.PermissionDenied, says: "scope: ",
			},
			{name: "a nodePublishSecretRef of something else", of: c, class: className, secret: map[string]string{"tokens": foreign}},
			{name: "the kubelet itself puts them into secrets, as of Kubernetes 1.35", of: c, class: className, change: moveTokens},
			{
				name: "none at all", of: c, class: className,
				change: lab.WithoutTokens(), code: codes.FailedPrecondition, says: `add {audience: "vault"} to tokenRequests`,
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				volume := w.pod(t, row.of.scope, row.class, func(p *lab.Pod) {
					p.Attributes = row.attributes
					if row.secret != nil {
						p.SecretRef = unique("secret")
						require.NoError(t, w.kubernetesSecret(t, p.Namespace, p.SecretRef, row.secret))
					}
				})
				var changes []lab.Change
				if row.change != nil {
					changes = append(changes, row.change)
				}
				before := len(front.requests())
				err := volume.Publish(t.Context(), changes...)
				if row.code == codes.OK {
					require.NoError(t, err)
					assert.Equal(t, map[string]string{secret.Path(): "sales' own"}, contents(t, volume))
					return
				}
				requireRefused(t, err, row.code, row.says)
				requireNothing(t, volume)
				assert.Len(t, front.requests(), before, "Vault was asked")
			})
		}
	})
}

// addSecret puts tokens into a request's secrets beside what the kubelet has sent as an attribute.
func addSecret(tokens string) lab.Change {
	return func(r *csi.NodePublishVolumeRequest) { r.Secrets[tokensKey] = tokens }
}

// TestNoSecretCarriesTokens shows why nodePublishSecretRef cannot do what the rows "by secrets" do by hand: Kubernetes takes no such key.
func TestNoSecretCarriesTokens(t *testing.T) {
	t.Parallel()
	w, env := production(t)
	err := w.kubernetesSecret(t, badgeOf(env.sales).Namespace, unique("secret"), map[string]string{tokensKey: "{}"})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
}

func (w *world) kubernetesSecret(t *testing.T, namespace, name string, data map[string]string) error {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: data}
	_, err := w.Clientset().CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{})
	return err
}

// TestVolumeAttributesOverride has a pod's author set the class's parameters in the pod, which the driver lets win. What is granted is still only what
// the pod's badge proves.
func TestVolumeAttributesOverride(t *testing.T) {
	eachPoll(t, func(t *testing.T, w *world) {
		_, env := production(t)
		front := w.newFront(t)
		partner := w.toVault(front.URL)
		partner.Name, partner.Audience, partner.Scopes = "partner", "partner-vault", []string{"*/partner/*"}
		provider := w.startProvider(t, w.configOf(w.toVault(front.URL), partner))
		category := unique("override")
		own, other := ref(t, env.sales, category, "own"), ref(t, env.sales, category, "other")
		w.put(t, own, "in the class")
		w.put(t, other, "in the pod")
		className := class{provider: provider.name, scope: env.sales, objects: fmt.Sprintf("- ref: %q", own)}.apply(t, w)
		for _, row := range []struct {
			name       string
			attributes map[string]string
			code       codes.Code // OK is no refusal
			says       string
			files      map[string]string
		}{
			{name: "nothing", files: map[string]string{own.Path(): "in the class"}},
			{
				name: "objects, within the scope", attributes: map[string]string{"objects": fmt.Sprintf("- ref: %q", other)},
				files: map[string]string{other.Path(): "in the pod"},
			},
			{
				name: "objects, another team's", attributes: map[string]string{"objects": "- ref: secret://prod/acme/support/zendesk/api_key"},
				code: codes.PermissionDenied, says: `objects[0].ref: "secret://prod/acme/support/zendesk/api_key" is outside the scope`,
			},
			{
				name: "scope", attributes: map[string]string{"scope": env.support.String()},
				code: codes.PermissionDenied, says: `scope: "prod/acme/support" is proven by namespace "gtc-prod--acme--support" and ServiceAccount "gtc.acme.support"`,
			},
			{
				name: "scope and objects", attributes: map[string]string{
					"scope": env.support.String(), "objects": "- ref: secret://prod/acme/support/zendesk/api_key",
				},
				code: codes.PermissionDenied, says: `this pod has namespace "gtc-prod--acme--sales" and ServiceAccount "gtc.acme.sales"`,
			},
			{
				name: "vault, to one that does not serve the scope", attributes: map[string]string{"vault": "partner"},
				code: codes.PermissionDenied, says: `vault: the vault connection does not serve the scope: "partner" and "prod/acme/sales"`,
			},
			{
				name: "vault, to one that there is not", attributes: map[string]string{"vault": "elsewhere"},
				code: codes.InvalidArgument, says: `"elsewhere"; the provider's configuration has: default, partner`,
			},
			{
				name: "what belongs to the connection", attributes: map[string]string{"vaultAddress": "http://127.0.0.1:1", "roleName": "admin"},
				code: codes.InvalidArgument, says: `"vaultAddress": unknown parameter`,
			},
			{
				name: "what is the kubelet's, over which it writes its own", attributes: map[string]string{
					"csi.storage.k8s.io/pod.namespace": "gtc-prod--acme--support", "csi.storage.k8s.io/serviceAccount.name": "gtc.acme.support",
					"csi.storage.k8s.io/pod.uid": "0", "csi.storage.k8s.io/pod.name": "somebody",
				},
				files: map[string]string{own.Path(): "in the class"},
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				volume := w.pod(t, env.sales, className, func(p *lab.Pod) { p.Attributes = row.attributes })
				before := len(front.requests())
				err := volume.Publish(t.Context())
				if row.code == codes.OK {
					require.NoError(t, err)
					assert.Equal(t, row.files, contents(t, volume))
					return
				}
				requireRefused(t, err, row.code, row.says)
				requireNothing(t, volume)
				assert.Len(t, front.requests(), before, "Vault was asked")
			})
		}
	})
}
