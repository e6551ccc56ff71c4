package chart_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
)

// TestHowTheProviderRuns: what no value changes.
func TestHowTheProviderRuns(t *testing.T) {
	objects := render(t, "")
	object := find(objects, daemonSet)
	for path, want := range map[string]string{
		".spec.updateStrategy": `{"rollingUpdate":{"maxSurge":"10%","maxUnavailable":0},"type":"RollingUpdate"}`,
		// The provider's own drain takes up to 25 s and a second, see provider/rpc.
		pod + ".terminationGracePeriodSeconds": `30`,
		pod + ".automountServiceAccountToken":  `false`,
		pod + ".securityContext":               `{"seccompProfile":{"type":"RuntimeDefault"}}`,
		pod + ".hostNetwork":                   ``,
		pod + ".hostPID":                       ``,
		pod + ".containers[*].name":            `"provider"`,
		pod + ".initContainers[*].name":        `"link"`,
		serving + ".securityContext": `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true,` +
			`"runAsGroup":65532,"runAsNonRoot":true,"runAsUser":65532}`,
		link + ".securityContext": `{"allowPrivilegeEscalation":false,"capabilities":{"add":["CHOWN"],"drop":["ALL"]},"readOnlyRootFilesystem":true,` +
			`"runAsGroup":0,"runAsNonRoot":false,"runAsUser":0}`,
		link + ".restartPolicy":                          `"Always"`,
		link + ".volumeMounts":                           `[{"mountPath":"/providers","name":"providers"}]`,
		link + ".startupProbe.exec.command":              `["/usr/local/bin/gtc-csi-provider","link","--providers-dir=/providers","--owner=65532","--check"]`,
		serving + ".volumeMounts[?(@.name==\"socket\")]": `{"mountPath":"/provider","name":"socket"}`,
		serving + ".volumeMounts[*].name":                `"socket" "config" "api-access"`,
		serving + ".args[0]":                             `"--endpoint=/provider/greentic.sock"`,
		serving + ".readinessProbe.httpGet":              `{"path":"/readyz","port":"health"}`,
		serving + ".livenessProbe.httpGet":               `{"path":"/healthz","port":"health"}`,
		serving + ".ports[*].hostPort":                   ``,
	} {
		assert.Equal(t, want, at(t, object, path), path)
	}
}

// TestWhatTheProviderMayDo: write events, and nothing else; with them switched off nothing at all; and watch pods where that is asked for.
func TestWhatTheProviderMayDo(t *testing.T) {
	granted := func(values string) (rules []string) {
		for _, object := range render(t, values) {
			hook := object.GetAnnotations()["helm.sh/hook"]
			if hook == "" && (object.GetKind() == "ClusterRole" || object.GetKind() == "Role") {
				rules = append(rules, at(t, object, ".rules"))
			}
		}
		return rules
	}
	assert.Equal(t, []string{`[{"apiGroups":[""],"resources":["events"],"verbs":["create","patch"]}]`}, granted(everything))
	assert.Empty(t, granted("events: {enabled: false}"))
	assert.Equal(t, []string{`[{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]}]`}, granted("podWatch: {enabled: true}\nevents: {enabled: false}"))
}

// TestTheTestsPodIsNoProvider: a DaemonSet adopts whatever its selector finds.
func TestTheTestsPodIsNoProvider(t *testing.T) {
	objects := render(t, everything)
	tested := find(objects, doctor)
	require.NotNil(t, tested)
	for object, path := range map[string]string{
		daemonSet: ".spec.selector.matchLabels", "PodMonitor/gtc-csi-provider": ".spec.selector.matchLabels",
		"NetworkPolicy/gtc-csi-provider": ".spec.podSelector.matchLabels",
	} {
		var selector labels.Set
		require.NoError(t, json.Unmarshal([]byte(at(t, find(objects, object), path)), &selector))
		assert.False(t, selector.AsSelector().Matches(labels.Set(tested.GetLabels())), object)
		var own labels.Set
		require.NoError(t, json.Unmarshal([]byte(at(t, find(objects, daemonSet), ".spec.template.metadata.labels")), &own))
		assert.True(t, selector.AsSelector().Matches(own), object)
	}
}

// TestTheTestsRightsGoAgain: they are hooks, removed when the test has passed and before the next.
func TestTheTestsRightsGoAgain(t *testing.T) {
	hooks := 0
	for _, object := range render(t, "") {
		if object.GetAnnotations()["helm.sh/hook"] == "test" {
			hooks++
			assert.Equal(t, "before-hook-creation,hook-succeeded", object.GetAnnotations()["helm.sh/hook-delete-policy"], object.GetName())
		}
	}
	assert.Equal(t, 4, hooks)
}

// TestTwoReleasesDoNotMeet: two of one name, in two namespaces, share no object of the cluster.
func TestTwoReleasesDoNotMeet(t *testing.T) {
	names := func(args ...string) map[string]bool {
		objects, err := template(t, "", args...)
		require.NoError(t, err)
		all := map[string]bool{}
		for _, object := range objects {
			all[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = true
		}
		return all
	}
	here := names()
	for name := range names("--namespace", "elsewhere") {
		assert.NotContains(t, here, name)
	}
}
