//go:build e2e

package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// playClasses is a pod with two classes, and one with a class that is another namespace's.
func playClasses(t *testing.T) {
	s := begin(t, 5, "two classes in one pod; another namespace's class is out of reach")
	e := s.environment(t, s.id(""), nil, "sales/slack/bot_token", "sales/crm/password", "support/zendesk/api_key")
	e.wire(t)
	token, password := s.secret(t, "xoxb-"), s.secret(t, "")
	e.put(t, "sales/slack/bot_token", token)
	e.put(t, "sales/crm/password", password)
	scope := e.scope(t, "sales")
	b := badge.For(badge.LayoutScope, scope)
	s.wear(t, b)
	for name, path := range map[string]string{"slack": "sales/slack/bot_token", "crm": "sales/crm/password"} {
		s.applyTyped(t, class(b.Namespace, name, map[string]string{"scope": scope.String(), "objects": objects("ref: " + e.ref(t, path).String())}))
	}

	t.Run("two in one pod", func(t *testing.T) {
		pod := s.start(t, s.reader(b, "both",
			volume{class: "slack", files: []string{"sales/slack/bot_token"}}, volume{class: "crm", files: []string{"sales/crm/password"}}))
		assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(token)}, s.told(t, pod, 0))
		assert.Equal(t, map[string]string{"sales/crm/password": digest(password)}, s.told(t, pod, 1))
		mounts := s.mounted(t, pod.UID)
		require.Len(t, mounts, 2)
		all := map[string]string{}
		for _, mount := range mounts {
			files := s.listed(t, mount)
			assert.Len(t, files, 1, "each class has a volume of its own")
			for path, what := range files {
				all[path] = what
			}
		}
		assert.Equal(t, map[string]string{"sales/slack/bot_token": "644 0:0 " + digest(token), "sales/crm/password": "644 0:0 " + digest(password)}, all)
	})
	t.Run("one good, one bad", func(t *testing.T) {
		s.applyTyped(t, class(b.Namespace, "foreign", map[string]string{
			"scope": scope.String(), "objects": objects("ref: " + e.ref(t, "support/zendesk/api_key").String()),
		}))
		made := s.reader(b, "half", volume{class: "slack", files: []string{"sales/slack/bot_token"}}, volume{class: "foreign", files: []string{"none"}})
		pod := s.refusedMount(t, made, "is outside the scope")
		require.Len(t, s.mounted(t, pod.UID), 1, "the good one is there, and waits for the other")
	})
	t.Run("another namespace's", func(t *testing.T) {
		elsewhere := badge.For(badge.LayoutScope, e.scope(t, "support"))
		s.wear(t, elsewhere)
		for name, named := range map[string]string{"by-name": "slack", "by-path": b.Namespace + "/slack"} {
			// The driver looks for classes in the pod's own namespace alone; no provider hears of it.
			pod := s.refused(t, s.reader(elsewhere, name, volume{class: named, files: []string{"none"}}), "failed to get secretproviderclass", "slack")
			assert.Zero(t, s.asked(t, pod, ""), "Vault has heard of it")
		}
	})
}
