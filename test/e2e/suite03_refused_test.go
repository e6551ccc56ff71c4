//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// playRefused is what the locks refuse, and what the pod's owner reads then. Support's people try to get at sales' secrets.
func playRefused(t *testing.T) {
	s := begin(t, 3, "refused in the README's words: foreign claims, overrides, foreign badges, unlabelled sync")
	e := s.environment(t, s.id(""), nil, "sales/slack/bot_token", "support/zendesk/api_key")
	e.wire(t)
	value := s.secret(t, "zd-")
	e.put(t, "support/zendesk/api_key", value)
	e.put(t, "sales/slack/bot_token", s.secret(t, "xoxb-"))
	support, sales := badge.For(badge.LayoutScope, e.scope(t, "support")), badge.For(badge.LayoutScope, e.scope(t, "sales"))
	s.wear(t, support)
	s.wear(t, badge.Badge{Namespace: support.Namespace, ServiceAccount: sales.ServiceAccount}) // sales' name, in support's namespace

	e.classes(t, support)
	t.Run("its own", func(t *testing.T) {
		pod := s.start(t, s.reader(support, "own", volume{class: "own", files: []string{"support/zendesk/api_key"}}))
		assert.Equal(t, map[string]string{"support/zendesk/api_key": digest(value)}, s.told(t, pod, 0))
		assert.NotZero(t, s.asked(t, pod, "auth/kubernetes/login"), "Vault has heard of it")
	})
	t.Run("mounts", func(t *testing.T) { e.refusesMounts(t, support, sales) })
	t.Run("badges", s.guardsBadges)
	t.Run("classes", func(t *testing.T) { s.guardsSync(t, support.Namespace) })
}

// classes are support's own, and those by which support asks for what is sales'.
func (e *environment) classes(t *testing.T, support badge.Badge) {
	own, theirs := e.scope(t, "support").String(), e.scope(t, "sales").String()
	ownRef := objects("ref: " + e.ref(t, "support/zendesk/api_key").String())
	theirRef := objects("ref: " + e.ref(t, "sales/slack/bot_token").String())
	for name, parameters := range map[string]map[string]string{
		"own":       {"scope": own, "objects": ownRef},
		"claim":     {"scope": theirs, "objects": theirRef},
		"reference": {"scope": own, "objects": theirRef},
		"operators": {"scope": own, "objects": ownRef, "vaultAddress": "https://elsewhere.example"},
	} {
		e.story.applyTyped(t, class(support.Namespace, name, parameters))
	}
}

// refusesMounts starts one pod of support's for each way to ask for what is sales'. Vault hears of none of them.
func (e *environment) refusesMounts(t *testing.T, support, sales badge.Badge) {
	s := e.story
	own, theirs := e.scope(t, "support").String(), e.scope(t, "sales").String()
	theirRef := objects("ref: " + e.ref(t, "sales/slack/bot_token").String())
	for _, row := range []struct {
		name, class, account string
		attributes           map[string]string
		texts                []string
	}{
		{name: "a foreign team's claim", class: "claim", texts: []string{"is proven by", "PermissionDenied", sales.Namespace}},
		{name: "a foreign team's reference", class: "reference", texts: []string{"is outside the scope", "PermissionDenied", own}},
		{name: "the team's ServiceAccount in another namespace", class: "claim", account: sales.ServiceAccount,
			texts: []string{"is proven by", "PermissionDenied", support.Namespace}},
		{name: "scope and objects overridden", class: "own", attributes: map[string]string{"scope": theirs, "objects": theirRef},
			texts: []string{"is proven by", "PermissionDenied", support.Namespace}},
		{name: "objects overridden", class: "own", attributes: map[string]string{"objects": theirRef},
			texts: []string{"is outside the scope", "PermissionDenied"}},
		{name: "the pod's identity overridden", class: "claim", attributes: map[string]string{
			"csi.storage.k8s.io/pod.namespace": sales.Namespace, "csi.storage.k8s.io/serviceAccount.name": sales.ServiceAccount,
		}, texts: []string{"is proven by", "PermissionDenied", support.Namespace}},
		{name: "an operator's parameter overridden", class: "own", attributes: map[string]string{"authMount": "elsewhere"},
			texts: []string{"unknown parameter", "InvalidArgument", "authMount"}},
		{name: "an operator's parameter", class: "operators", texts: []string{"unknown parameter", "InvalidArgument", "vaultAddress"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := support
			if row.account != "" {
				b.ServiceAccount = row.account
			}
			name := strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(row.name))
			pod := s.refused(t, s.reader(b, name, volume{class: row.class, attributes: row.attributes, files: []string{"none"}}), row.texts...)
			assert.Zero(t, s.asked(t, pod, ""), "Vault has heard of it")
		})
	}
}

// guardsSync is the chart's policy for classes that copy their values into a Secret: they need the label that says that they may.
func (s *story) guardsSync(t *testing.T, namespace string) {
	copying := func(name string, labels map[string]string) error {
		c := class(namespace, name, map[string]string{"scope": "x/y/z", "objects": objects("ref: secret://x/y/z/a/b")})
		c.Labels = labels
		c.Spec.SecretObjects = syncedObjects("copy", "z/a/b")
		return s.tryTyped(t, c)
	}
	for name, labels := range map[string]map[string]string{"unlabelled": nil, "mislabelled": {"greentic.ai/allow-sync": "yes"}} {
		err := copying(name, labels)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "a class of provider greentic with secretObjects copies secrets into Kubernetes Secrets")
		require.ErrorContains(t, err, `greentic.ai/allow-sync: "true"`)
	}
	require.NoError(t, copying("labelled", map[string]string{"greentic.ai/allow-sync": "true"}))

	// Another provider's class is none of the policy's business.
	other := class(namespace, "other", nil)
	other.Spec.Provider, other.Spec.SecretObjects = "vault", syncedObjects("copy", "x")
	require.NoError(t, s.tryTyped(t, other))
}

// guardsBadges is the fourth wall, in a namespace that teams share (layout: environment): who may make pods there may still not make
// them under another team's badge, in none of the ways that there are; who holds the verb "use" on it may.
func (s *story) guardsBadges(t *testing.T) {
	s.reconfigure(t, map[string]any{"layout": "environment"})
	e := s.environment(t, s.id("shared"), nil, "sales/slack/bot_token", "support/zendesk/api_key")
	e.wire(t, "--layout", "environment")
	value := s.secret(t, "xoxb-")
	e.put(t, "sales/slack/bot_token", value)
	scope := e.scope(t, "sales")
	b := badge.For(badge.LayoutEnvironment, scope)
	require.Equal(t, "gtc-"+e.id, b.Namespace)
	s.wear(t, b)
	s.applyTyped(t, class(b.Namespace, "own", map[string]string{
		"scope": scope.String(), "objects": objects("ref: " + e.ref(t, "sales/slack/bot_token").String()),
	}))
	s.applyTyped(t, mayUse(b, "alice")...)
	s.applyTyped(t, mayEdit(b.Namespace, "alice"), mayEdit(b.Namespace, "mallory"))
	pod := s.reader(b, "sales", volume{class: "own", files: []string{"sales/slack/bot_token"}})

	mallory, alice := s.as(t, b.Namespace, "mallory"), s.as(t, b.Namespace, "alice")
	for what, try := range ways(b, pod) {
		t.Run(what, func(t *testing.T) {
			err := try(t.Context(), mallory)
			require.Error(t, err)
			assert.True(t, apierrors.IsForbidden(err), "%v", err)
			assert.Contains(t, err.Error(), "ServiceAccount gtc.acme.sales is the badge of a Greentic team, and mallory may not use it.")
			assert.Contains(t, err.Error(), "resourceNames [gtc.acme.sales], verbs [use]", "what would allow it")
			require.NoError(t, try(t.Context(), alice))
		})
	}
	t.Run("a badge is no account that everybody has", func(t *testing.T) {
		plain := pod.DeepCopy()
		plain.Spec.ServiceAccountName = "default"
		_, err := mallory.CoreV1().Pods(b.Namespace).Create(t.Context(), plain, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err)
	})
	made, err := alice.CoreV1().Pods(b.Namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(value)}, s.told(t, s.ready(t, made), 0))
}
