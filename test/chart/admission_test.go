package chart_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// What the policies say, as promised in README.md and chart/README.md.
func badgeText(account, user, namespace string) string {
	return "ServiceAccount " + account + " is the badge of a Greentic team, and " + user + " may not use it. " +
		"Who answers for the team can allow it with a Role in namespace " + namespace +
		": apiGroups [\"\"], resources [serviceaccounts], resourceNames [" + account + "], verbs [use]"
}

const syncText = `a class of provider greentic with secretObjects copies secrets into Kubernetes Secrets. ` +
	`Remove spec.secretObjects, and read the files in the volume; or, if copies are wanted, say so with the label greentic.ai/allow-sync: "true"`

// The people of the tests: all may edit what is in the namespace gtc-prod, and alice may use one badge.
const rights = `
apiVersion: v1
kind: Namespace
metadata: {name: gtc-prod}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: gtc.acme.sales, namespace: gtc-prod}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: gtc.acme.support, namespace: gtc-prod}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: gtc-prod}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: by-rule, namespace: gtc-prod}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: editor, namespace: gtc-prod}
rules:
- {apiGroups: ["", apps, batch, secrets-store.csi.x-k8s.io], resources: ["*"], verbs: [get, create, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor, namespace: gtc-prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: editor}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: sales, namespace: gtc-prod}
rules:
- {apiGroups: [""], resources: [serviceaccounts], resourceNames: [gtc.acme.sales], verbs: [use]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: sales, namespace: gtc-prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: sales}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
`

// podTemplates are the kinds that make pods, with the fields around a pod's spec.
var podTemplates = map[string]string{
	"v1/Pod":                   `{spec: SPEC}`,
	"v1/ReplicationController": `{spec: {selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: SPEC}}}`,
	"apps/v1/Deployment":       `{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: SPEC}}}`,
	"apps/v1/StatefulSet":      `{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: SPEC}}}`,
	"apps/v1/DaemonSet":        `{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: SPEC}}}`,
	"apps/v1/ReplicaSet":       `{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: SPEC}}}`,
	"batch/v1/Job":             `{spec: {template: {spec: SPEC}}}`,
	"batch/v1/CronJob":         `{spec: {schedule: "0 0 * * *", jobTemplate: {spec: {template: {spec: SPEC}}}}}`,
}

// made is an object of a kind of podTemplates, running as account.
func made(t *testing.T, kind, name, account string) *unstructured.Unstructured {
	t.Helper()
	spec := "{restartPolicy: Always, containers: [{name: c, image: i}], " + account + "}"
	if strings.Contains(kind, "batch") {
		spec = strings.Replace(spec, "Always", "Never", 1)
	}
	text := strings.Replace(podTemplates[kind], "SPEC", spec, 1)
	objects, err := lab.Objects([]byte(text))
	require.NoError(t, err, text)
	object, cut := objects[0], strings.LastIndex(kind, "/")
	object.SetAPIVersion(kind[:cut])
	object.SetKind(kind[cut+1:])
	object.SetNamespace("gtc-prod")
	object.SetName(name)
	return object
}

// people are who asks the API server.
type people struct {
	lab *lab.Lab
	t   *testing.T
}

func (p people) as(user string, groups ...string) *rest.Config {
	config := p.lab.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return config
}

func (p people) clientset(user string, groups ...string) *kubernetes.Clientset {
	p.t.Helper()
	client, err := kubernetes.NewForConfig(p.as(user, groups...))
	require.NoError(p.t, err)
	return client
}

// try creates an object, only as a trial, as somebody.
func (p people) try(object *unstructured.Unstructured, user string, groups ...string) error {
	p.t.Helper()
	client, err := dynamic.NewForConfig(p.as(user, groups...))
	require.NoError(p.t, err)
	kind := object.GroupVersionKind()
	plural := strings.ToLower(kind.Kind) + "s"
	if strings.HasSuffix(plural, "ss") {
		plural = strings.ToLower(kind.Kind) + "es"
	}
	resource := client.Resource(kind.GroupVersion().WithResource(plural)).Namespace(object.GetNamespace())
	_, err = resource.Create(p.t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// guarded is a lab with the chart's policies in force.
func guarded(t *testing.T) people {
	t.Helper()
	l := lab.Shared(t)
	require.NoError(t, l.ApplyYAML(t.Context(), []byte(rights)))
	var policies []*unstructured.Unstructured
	for _, object := range render(t, "badges: [{namespace: gtc-prod, serviceAccount: by-rule, scope: prod/acme/billing}]") {
		if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			policies = append(policies, object)
		}
	}
	require.Len(t, policies, 4)
	require.NoError(t, l.Apply(t.Context(), policies...))
	p := people{lab: l, t: t}
	// The API server takes policies up a moment after they are made.
	require.Eventually(t, func() bool {
		return apierrors.IsForbidden(p.try(made(t, "v1/Pod", "probe", "serviceAccountName: gtc.acme.sales"), "mallory")) &&
			apierrors.IsForbidden(p.try(class("probe", "", true), "mallory"))
	}, 20*time.Second, 100*time.Millisecond)
	return p
}

func assertRefused(t *testing.T, err error, text string) {
	t.Helper()
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	assert.ErrorContains(t, err, "denied request: "+text)
}

func TestWhoMayRunAsABadge(t *testing.T) {
	p := guarded(t)
	for kind := range podTemplates {
		t.Run(kind, func(t *testing.T) {
			object := func(account string) *unstructured.Unstructured { return made(t, kind, "x", account) }
			assertRefused(t, p.try(object("serviceAccountName: gtc.acme.sales"), "mallory"), badgeText("gtc.acme.sales", "mallory", "gtc-prod"))
			assertRefused(t, p.try(object("serviceAccount: gtc.acme.sales"), "mallory"), badgeText("gtc.acme.sales", "mallory", "gtc-prod"))
			assertRefused(t, p.try(object("serviceAccountName: gtc.acme.support"), "alice"), badgeText("gtc.acme.support", "alice", "gtc-prod"))
			assertRefused(t, p.try(object("serviceAccountName: by-rule"), "mallory"), badgeText("by-rule", "mallory", "gtc-prod"))
			assert.NoError(t, p.try(object("serviceAccountName: gtc.acme.sales"), "alice"), "who may use it")
			assert.NoError(t, p.try(object("serviceAccountName: default"), "mallory"), "no badge")
			assert.NoError(t, p.try(object("hostNetwork: false"), "mallory"), "no ServiceAccount at all")
			assert.NoError(t, p.try(object("serviceAccountName: gtcacme"), "mallory"), "a name that only looks alike")
			assert.NoError(t, p.try(object("serviceAccountName: gtc.acme.sales"), "system:serviceaccount:kube-system:replicaset-controller",
				"system:serviceaccounts", "system:serviceaccounts:kube-system"), "a controller")
			assert.NoError(t, p.try(object("serviceAccountName: gtc.acme.sales"), "system:kube-controller-manager"), "all of them under one name")
			assertRefused(t, p.try(object("serviceAccountName: gtc.acme.sales"), "system:serviceaccount:other:controller",
				"system:serviceaccounts", "system:serviceaccounts:other"), badgeText("gtc.acme.sales", "system:serviceaccount:other:controller", "gtc-prod"))
		})
	}
}

func TestWhoMayHaveABadgesToken(t *testing.T) {
	p := guarded(t)
	ask := func(account, user string, groups ...string) error {
		_, err := p.clientset(user, groups...).CoreV1().ServiceAccounts("gtc-prod").
			CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		return err
	}
	assertRefused(t, ask("gtc.acme.sales", "mallory"), badgeText("gtc.acme.sales", "mallory", "gtc-prod"))
	assertRefused(t, ask("gtc.acme.support", "alice"), badgeText("gtc.acme.support", "alice", "gtc-prod"))
	assertRefused(t, ask("by-rule", "mallory"), badgeText("by-rule", "mallory", "gtc-prod"))
	assert.NoError(t, ask("gtc.acme.sales", "alice"))
	assert.NoError(t, ask("default", "mallory"))
	assert.NoError(t, ask("gtc.acme.sales", "system:node:n1", "system:nodes"), "a kubelet")
	_, err := p.clientset("mallory").CoreV1().ServiceAccounts("gtc-prod").Create(t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: "gtc.acme.new"},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	assert.NoError(t, err, "the ServiceAccount by itself opens nothing")
}

// TestWhoMayChangeWhatRunsAsABadge: an update that leaves the ServiceAccount alone can still bring code under it.
func TestWhoMayChangeWhatRunsAsABadge(t *testing.T) {
	p := guarded(t)
	objects := []*unstructured.Unstructured{
		made(t, "v1/Pod", "running", "serviceAccountName: gtc.acme.sales"),
		made(t, "apps/v1/Deployment", "running", "serviceAccountName: gtc.acme.sales"),
		made(t, "batch/v1/CronJob", "running", "serviceAccountName: gtc.acme.sales"),
		made(t, "apps/v1/Deployment", "harmless", "serviceAccountName: default"),
	}
	require.NoError(t, p.lab.Apply(t.Context(), objects...))
	t.Cleanup(func() { assert.NoError(t, p.lab.Delete(context.WithoutCancel(t.Context()), objects...)) })
	trial := metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
	const strategic, merge = types.StrategicMergePatchType, types.MergePatchType
	pods := func(user, patch string, sub ...string) error {
		_, err := p.clientset(user).CoreV1().Pods("gtc-prod").Patch(t.Context(), "running", strategic, []byte(patch), trial, sub...)
		return err
	}
	deployments := func(user, name, patch string, sub ...string) error {
		_, err := p.clientset(user).AppsV1().Deployments("gtc-prod").Patch(t.Context(), name, strategic, []byte(patch), trial, sub...)
		return err
	}
	jobs := func(user, patch string) error {
		_, err := p.clientset(user).BatchV1().CronJobs("gtc-prod").Patch(t.Context(), "running", merge, []byte(patch), trial)
		return err
	}
	text := badgeText("gtc.acme.sales", "mallory", "gtc-prod")
	const image = `{"spec":{"containers":[{"name":"c","image":"other"}]}}`
	const debug = `{"spec":{"ephemeralContainers":[{"name":"d","image":"i","terminationMessagePolicy":"File"}]}}`
	assertRefused(t, pods("mallory", image), text)
	assert.NoError(t, pods("alice", image))
	assertRefused(t, pods("mallory", debug, "ephemeralcontainers"), text)
	assert.NoError(t, pods("alice", debug, "ephemeralcontainers"))
	assert.NoError(t, pods("mallory", `{"metadata":{"labels":{"a":"b"}}}`), "no code")

	const template = `{"spec":{"template":` + image + `}}`
	assertRefused(t, deployments("mallory", "running", template), text)
	assert.NoError(t, deployments("alice", "running", template))
	assertRefused(t, deployments("mallory", "running", `{"spec":{"template":{"metadata":{"annotations":{"inject":"yes"}}}}}`), text)
	assertRefused(t, deployments("mallory", "harmless", `{"spec":{"template":{"spec":{"serviceAccountName":"gtc.acme.sales"}}}}`), text)
	assert.NoError(t, deployments("mallory", "running", `{"spec":{"replicas":3}}`), "more of the same")
	assert.NoError(t, deployments("mallory", "running", `{"spec":{"replicas":3}}`, "scale"))
	assert.NoError(t, deployments("mallory", "running", `{"metadata":{"labels":{"a":"b"}}}`))
	assert.NoError(t, deployments("mallory", "harmless", template))

	assertRefused(t, jobs("mallory", `{"spec":{"jobTemplate":{"metadata":{"labels":{"a":"b"}}}}}`), text)
	assert.NoError(t, jobs("mallory", `{"spec":{"suspend":true}}`))
}

// class is a SecretProviderClass of a provider, with or without the label and secretObjects.
func class(name, label string, synced bool) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": map[string]any{"name": name, "namespace": "gtc-prod"},
		"spec":     map[string]any{"provider": "greentic", "parameters": map[string]any{"scope": "prod/acme/sales"}},
	}}
	if label != "" {
		object.SetLabels(map[string]string{"greentic.ai/allow-sync": label})
	}
	if synced {
		copies := []any{map[string]any{"secretName": "s", "type": "Opaque", "data": []any{map[string]any{"key": "k", "objectName": "o"}}}}
		object.Object["spec"].(map[string]any)["secretObjects"] = copies
	}
	return object
}

func TestWhichClassesMayCopySecrets(t *testing.T) {
	p := guarded(t)
	other := class("c", "", true)
	other.Object["spec"].(map[string]any)["provider"] = "vault"
	for _, object := range []*unstructured.Unstructured{class("c", "", false), class("c", "true", true), class("c", "false", false), other} {
		assert.NoError(t, p.try(object, "mallory"), "%v", object)
	}
	for _, label := range []string{"", "false", "yes"} {
		err := p.try(class("c", label, true), "mallory")
		assertRefused(t, err, syncText)
		assert.ErrorContains(t, err, fmt.Sprintf("ValidatingAdmissionPolicy '%s-%s-sync'", namespace, release))
	}
	assertRefused(t, p.try(class("c", "", true), "system:serviceaccount:kube-system:anyone", "system:serviceaccounts:kube-system"), syncText)

	plain := class("changed", "true", true)
	require.NoError(t, p.lab.Apply(t.Context(), plain))
	t.Cleanup(func() { assert.NoError(t, p.lab.Delete(context.WithoutCancel(t.Context()), plain)) })
	client, err := dynamic.NewForConfig(p.as("mallory"))
	require.NoError(t, err)
	_, err = client.Resource(plain.GroupVersionKind().GroupVersion().WithResource("secretproviderclasses")).Namespace("gtc-prod").Patch(t.Context(),
		"changed", types.MergePatchType, []byte(`{"metadata":{"labels":{"greentic.ai/allow-sync":null}}}`), metav1.PatchOptions{})
	assertRefused(t, err, syncText)
}
