package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

const (
	daemonSet  = "DaemonSet/gtc-csi-provider"
	pod        = ".spec.template.spec"
	serving    = pod + `.containers[?(@.name=="provider")]`
	link       = pod + `.initContainers[?(@.name=="link")]`
	configMap  = "ConfigMap/gtc-csi-provider"
	configFile = `.data.provider\.yaml`
	doctor     = "Pod/gtc-csi-provider-doctor"
	badges     = "ValidatingAdmissionPolicy/gtc-system-gtc-csi-provider-badges"
)

// effects say of every value which object it changes, and how. A value that is a map of free keys stands for all of them.
var effects = []struct{ value, set, object, path, want string }{
	{"layout", "layout: environment", configMap, configFile + ".layout", `"environment"`},
	{"vaults", "vaults: [{name: eu, addresses: ['https://eu:8200'], audience: eu}]", configMap, configFile + ".vaults",
		`[{"addresses":["https://eu:8200"],"audience":"eu","name":"eu"}]`},
	{"vaults", "vaults: [{name: a, addresses: ['https://a'], audience: a}, {name: b, addresses: ['https://b'], audience: b}]", doctor, ".spec.containers[0].args",
		`["doctor","--audience=a","--audience=b"]`},
	{"vaults", everything + "vaults: [{name: a, addresses: ['https://a', 'http://b/x', 'https://c:8201'], audience: a}]", "NetworkPolicy/gtc-csi-provider", ".spec.egress[1].ports[*].port",
		`443 80 8201`},
	{"badges", "badges: [{namespace: own, serviceAccount: s, scope: prod/acme/sales}]", configMap, configFile + ".badges",
		`[{"namespace":"own","scope":"prod/acme/sales","serviceAccount":"s"}]`},
	{"badges", "badges: [{namespace: own, serviceAccount: s, scope: prod/acme/sales}]", badges, `.spec.variables[?(@.name=="isBadge")].expression`,
		`"variables.account.startsWith('gtc.') || (request.namespace == 'own' && variables.account == 's')"`},
	{"refresh.interval", "refresh: {interval: always}", configMap, configFile + ".refresh.interval", `"always"`},
	{"refresh.minimum", "refresh: {minimum: 1s}", configMap, configFile + ".refresh.minimum", `"1s"`},
	{"refresh.allowAlways", "refresh: {allowAlways: true}", configMap, configFile + ".refresh.allowAlways", `true`},
	{"refresh.maxStale", "refresh: {maxStale: 1h30m}", configMap, configFile + ".refresh.maxStale", `"1h30m"`},
	{"refresh.podSilence", "refresh: {podSilence: 30m}", configMap, configFile + ".refresh.podSilence", `"30m"`},
	{"refresh.noRepublish", "refresh: {noRepublish: true}", configMap, configFile + ".refresh.noRepublish", `true`},
	{"rawPaths", "rawPaths: [{path: 'database/creds/{role}', kind: lease}]", configMap, configFile + ".rawPaths",
		`[{"kind":"lease","path":"database/creds/{role}"}]`},
	{"refresh.onDenied", "refresh: {onDenied: remove}", configMap, configFile + ".refresh.onDenied", `"remove"`},
	{"caVolumes", "caVolumes: [{name: v, configMap: c}]", daemonSet, pod + `.volumes[?(@.name=="ca-v")]`, `{"configMap":{"name":"c"},"name":"ca-v"}`},
	{"caVolumes", "caVolumes: [{name: v, secret: s}]", daemonSet, pod + `.volumes[?(@.name=="ca-v")]`, `{"name":"ca-v","secret":{"secretName":"s"}}`},
	{"caVolumes", "caVolumes: [{name: v, secret: s}]", daemonSet, serving + `.volumeMounts[?(@.name=="ca-v")]`,
		`{"mountPath":"/etc/greentic-ca/v","name":"ca-v","readOnly":true}`},
	{"logLevel", "logLevel: debug", daemonSet, serving + ".args[4]", `"--log-level=debug"`},
	{"image.repository", "image: {repository: r.example/p}", daemonSet, serving + ".image", `"r.example/p:0.1.0"`},
	{"image.repository", "image: {repository: r.example/p}", daemonSet, link + ".image", `"r.example/p:0.1.0"`},
	{"image.tag", "image: {tag: t}", daemonSet, serving + ".image", `"ghcr.io/greenticai/gtc-csi-provider:t"`},
	{"image.digest", "image: {tag: t, digest: 'sha256:" + digest + "'}", daemonSet, serving + ".image",
		`"ghcr.io/greenticai/gtc-csi-provider@sha256:` + digest + `"`},
	{"image.pullPolicy", "image: {pullPolicy: Never}", daemonSet, serving + ".imagePullPolicy", `"Never"`},
	{"image.pullPolicy", "image: {pullPolicy: Never}", daemonSet, link + ".imagePullPolicy", `"Never"`},
	{"deployerImage.repository", "deployerImage: {repository: r.example/d}", doctor, ".spec.containers[0].image", `"r.example/d:0.1.0"`},
	{"deployerImage.tag", "deployerImage: {tag: t}", doctor, ".spec.containers[0].image", `"ghcr.io/greenticai/gtc-deployer:t"`},
	{"deployerImage.digest", "deployerImage: {digest: 'sha256:" + digest + "'}", doctor, ".spec.containers[0].image",
		`"ghcr.io/greenticai/gtc-deployer@sha256:` + digest + `"`},
	{"deployerImage.pullPolicy", "deployerImage: {pullPolicy: Always}", doctor, ".spec.containers[0].imagePullPolicy", `"Always"`},
	{"imagePullSecrets", "imagePullSecrets: [{name: s}]", daemonSet, pod + ".imagePullSecrets", `[{"name":"s"}]`},
	{"imagePullSecrets", "imagePullSecrets: [{name: s}]", doctor, ".spec.imagePullSecrets", `[{"name":"s"}]`},
	{"admission.enabled", "admission: {enabled: false}", badges, ".metadata.name", ""},
	{"admission.enabled", "admission: {enabled: false}", "ValidatingAdmissionPolicyBinding/gtc-system-gtc-csi-provider-sync", ".metadata.name", ""},
	{"events.enabled", "events: {enabled: false}", "ClusterRole/gtc-system-gtc-csi-provider-events", ".rules", ""},
	{"events.enabled", "events: {enabled: false}", "ClusterRoleBinding/gtc-system-gtc-csi-provider-events", ".subjects", ""},
	{"events.enabled", "events: {enabled: false}", daemonSet, pod + `.volumes[?(@.name=="api-access")].name`, ""},
	{"events.enabled", "events: {enabled: false}", daemonSet, serving + `.volumeMounts[*].name`, `"socket" "config"`},
	{"events.enabled", "events: {enabled: false}", daemonSet, serving + ".args[5]", `"--events=false"`},
	{"events.enabled", "events: {enabled: false}\npodWatch: {enabled: true}", "ClusterRole/gtc-system-gtc-csi-provider-pods", ".rules[*].resources", `["pods"]`},
	{"podWatch.enabled", "podWatch: {enabled: true}", "ClusterRole/gtc-system-gtc-csi-provider-pods", ".rules",
		`[{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]}]`},
	{"podWatch.enabled", "podWatch: {enabled: true}", "ClusterRoleBinding/gtc-system-gtc-csi-provider-pods", ".roleRef.name", `"gtc-system-gtc-csi-provider-pods"`},
	{"podWatch.enabled", "podWatch: {enabled: true}", "ClusterRoleBinding/gtc-system-gtc-csi-provider-pods", ".subjects",
		`[{"kind":"ServiceAccount","name":"gtc-csi-provider","namespace":"gtc-system"}]`},
	{"podWatch.enabled", "podWatch: {enabled: true}", daemonSet, serving + ".args[5:]", `"--events=true" "--pod-watch-node=$(NODE_NAME)"`},
	{"podWatch.enabled", "podWatch: {enabled: true}", daemonSet, serving + `.env[?(@.name=="NODE_NAME")].valueFrom.fieldRef.fieldPath`, `"spec.nodeName"`},
	{"podWatch.enabled", "podWatch: {enabled: true}\nevents: {enabled: false}", daemonSet, serving + ".args[5:]", `"--events=false" "--pod-watch-node=$(NODE_NAME)"`},
	{"podWatch.enabled", everything + "podWatch: {enabled: true}\nevents: {enabled: false}", "NetworkPolicy/gtc-csi-provider", ".spec.egress[2].ports[*].port", `443 6443`},
	{"serviceAccount.name", "serviceAccount: {name: other}", daemonSet, pod + ".serviceAccountName", `"other"`},
	{"serviceAccount.name", "serviceAccount: {name: other}", "ServiceAccount/other", ".metadata.name", `"other"`},
	{"serviceAccount.name", "serviceAccount: {name: other}", "ClusterRoleBinding/gtc-system-gtc-csi-provider-events", ".subjects[0].name", `"other"`},
	{"serviceAccount.annotations", "serviceAccount: {annotations: {a: b}}", "ServiceAccount/gtc-csi-provider", ".metadata.annotations.a", `"b"`},
	{"providersDir", "providersDir: /p", daemonSet, pod + `.volumes[?(@.name=="providers")].hostPath.path`, `"/p"`},
	{"providersDir", "providersDir: /p", daemonSet, pod + `.volumes[?(@.name=="socket")].hostPath.path`, `"/p/greentic.d"`},
	{"nameOverride", "nameOverride: x", "DaemonSet/gtc-csi-provider-x", ".metadata.name", `"gtc-csi-provider-x"`},
	{"fullnameOverride", "fullnameOverride: x", "DaemonSet/x", ".metadata.name", `"x"`},
	{"resources", "resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}", daemonSet, serving + ".resources",
		`{"limits":{"memory":"2Gi"},"requests":{"cpu":1,"memory":"1Gi"}}`},
	{"linkResources", "linkResources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}", daemonSet, link + ".resources",
		`{"limits":{"memory":"2Gi"},"requests":{"cpu":1,"memory":"1Gi"}}`},
	{"priorityClassName", "priorityClassName: p", daemonSet, pod + ".priorityClassName", `"p"`},
	{"nodeSelector", "nodeSelector: {a: b}", daemonSet, pod + ".nodeSelector", `{"a":"b","kubernetes.io/os":"linux"}`},
	{"tolerations", "tolerations: [{key: k, operator: Equal, value: v, effect: NoSchedule}]", daemonSet, pod + ".tolerations",
		`[{"effect":"NoSchedule","key":"k","operator":"Equal","value":"v"}]`},
	{"tolerations", "tolerations: [{key: k, operator: Exists}]", doctor, ".spec.tolerations", `[{"key":"k","operator":"Exists"}]`},
	{"affinity", "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: k, operator: Exists}]}]}}}", daemonSet, pod + ".affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key",
		`"k"`},
	{"podLabels", "podLabels: {a: b}", daemonSet, ".spec.template.metadata.labels.a", `"b"`},
	{"podAnnotations", "podAnnotations: {a: b}", daemonSet, ".spec.template.metadata.annotations.a", `"b"`},
	{"seLinuxOptions", "seLinuxOptions: {type: spc_t}", daemonSet, pod + ".securityContext.seLinuxOptions", `{"type":"spc_t"}`},
	{"maxSurge", "maxSurge: 1", daemonSet, ".spec.updateStrategy.rollingUpdate.maxSurge", `1`},
	{"podMonitor.enabled", "podMonitor: {enabled: true}", "PodMonitor/gtc-csi-provider", ".spec.podMetricsEndpoints[0].port", `"metrics"`},
	{"podMonitor.interval", "podMonitor: {enabled: true, interval: 5m}", "PodMonitor/gtc-csi-provider", ".spec.podMetricsEndpoints[0].interval", `"5m"`},
	{"podMonitor.labels", "podMonitor: {enabled: true, labels: {a: b}}", "PodMonitor/gtc-csi-provider", ".metadata.labels.a", `"b"`},
	{"prometheusRule.enabled", "prometheusRule: {enabled: true}", "PrometheusRule/gtc-csi-provider", ".spec.groups[0].name", `"gtc-csi-provider"`},
	{"prometheusRule.labels", "prometheusRule: {enabled: true, labels: {a: b}}", "PrometheusRule/gtc-csi-provider", ".metadata.labels.a", `"b"`},
	{"dashboard.enabled", "dashboard: {enabled: true}", "ConfigMap/gtc-csi-provider-dashboard", ".metadata.labels.grafana_dashboard", `"1"`},
	{"dashboard.labels", "dashboard: {enabled: true, labels: {a: b}}", "ConfigMap/gtc-csi-provider-dashboard", ".metadata.labels.a", `"b"`},
	{"dashboard.annotations", "dashboard: {enabled: true, annotations: {a: b}}", "ConfigMap/gtc-csi-provider-dashboard", ".metadata.annotations.a",
		`"b"`},
	{"networkPolicy.enabled", "networkPolicy: {enabled: true}", "NetworkPolicy/gtc-csi-provider", ".spec.egress[*].ports[*].port",
		`53 53 8200 443 6443`},
	{"networkPolicy.enabled", "networkPolicy: {enabled: true}\nevents: {enabled: false}", "NetworkPolicy/gtc-csi-provider", ".spec.egress[*].ports[*].port",
		`53 53 8200`},
	{"networkPolicy.metricsFrom", "networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {matchLabels: {a: b}}}]}", "NetworkPolicy/gtc-csi-provider", ".spec.ingress[1].from",
		`[{"namespaceSelector":{"matchLabels":{"a":"b"}}}]`},
	{"networkPolicy.vaultTo", "networkPolicy: {enabled: true, vaultTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}", "NetworkPolicy/gtc-csi-provider", ".spec.egress[1].to",
		`[{"ipBlock":{"cidr":"10.0.0.0/8"}}]`},
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestEveryValueChangesWhatItSays looks at the object by path, before and after, and has the API server check the whole.
func TestEveryValueChangesWhatItSays(t *testing.T) {
	l := lab.Shared(t)
	home(t, l)
	defineMonitors(t, l)
	unchanged := render(t, "")
	dryRun(t, l, unchanged)
	for _, row := range effects {
		t.Run(row.value, func(t *testing.T) {
			t.Parallel()
			assert.NotEqual(t, row.want, look(t, find(unchanged, row.object), row.path), "it is so without the value")
			objects := render(t, row.set)
			assert.Equal(t, row.want, look(t, find(objects, row.object), row.path))
			dryRun(t, l, objects)
		})
	}
}

// look is at, and goes on within the provider's configuration.
func look(t *testing.T, object *unstructured.Unstructured, path string) string {
	t.Helper()
	within, found := strings.CutPrefix(path, configFile)
	if !found || object == nil {
		return at(t, object, path)
	}
	var text string
	require.NoError(t, json.Unmarshal([]byte(at(t, object, configFile)), &text))
	read, err := lab.Objects([]byte(text))
	require.NoError(t, err)
	return at(t, read[0], within)
}

func TestEveryValueHasAnEffect(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.Unmarshal(text, &values))
	known := map[string]bool{}
	for _, row := range effects {
		known[row.value] = true
	}
	used := map[string]bool{}
	for _, leaf := range leaves("", values) {
		value := leaf
		for value != "" && !known[value] {
			value = value[:max(0, strings.LastIndex(value, "."))]
		}
		used[value] = true
		assert.NotEmpty(t, value, "%s: no row says what it does", leaf)
	}
	for value := range known {
		assert.True(t, used[value], "%s: the chart has no such value", value)
	}
}

// leaves are the paths of all that is no map, or an empty one.
func leaves(path string, value any) []string {
	fields, ok := value.(map[string]any)
	if !ok || len(fields) == 0 {
		return []string{path}
	}
	var all []string
	for name, field := range fields {
		all = append(all, leaves(strings.TrimPrefix(path+"."+name, "."), field)...)
	}
	slices.Sort(all)
	return all
}

func TestEverythingTogetherPassesTheAPIServer(t *testing.T) {
	l := lab.Shared(t)
	home(t, l)
	defineMonitors(t, l)
	dryRun(t, l, render(t, everything))
}
