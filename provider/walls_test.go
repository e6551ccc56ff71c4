package provider_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// claim changes one claim below kubernetes.io.
func claim(r *request, part, field, value string) {
	of := r.claims["kubernetes.io"].(map[string]any)
	if part == "" {
		of[field] = value
		return
	}
	of[part].(map[string]any)[field] = value
}

const (
	podNamespace   = "csi.storage.k8s.io/pod.namespace"
	podName        = "csi.storage.k8s.io/pod.name"
	podUID         = "csi.storage.k8s.io/pod.uid"
	serviceAccount = "csi.storage.k8s.io/serviceAccount.name"
)

// TestNothingIsAskedOfVaultBefore holds the first wall: one thing is wrong with a request that is else good.
func TestNothingIsAskedOfVaultBefore(t *testing.T) {
	for name, row := range map[string]struct {
		mutate func(*request)
		code   codes.Code
		says   string
	}{
		// What the class asks for.
		"no scope":            {func(r *request) { delete(r.attributes, "scope") }, codes.InvalidArgument, "scope: "},
		"an unknown key":      {func(r *request) { r.attributes["scop"] = "x" }, codes.InvalidArgument, `"scop": unknown parameter`},
		"no objects":          {func(r *request) { delete(r.attributes, "objects") }, codes.InvalidArgument, "objects: "},
		"a broken reference":  {func(r *request) { r.attributes["objects"] = "- ref: secret://prod/acme" }, codes.InvalidArgument, "objects[0].ref: "},
		"a path outside":      {func(r *request) { r.attributes["objects"] += "\n  file: ../x" }, codes.InvalidArgument, "objects[0].file: "},
		"a decimal mode":      {func(r *request) { r.attributes["objects"] += "\n  mode: 420" }, codes.InvalidArgument, "objects[0].mode: "},
		"an unknown Vault":    {func(r *request) { r.attributes["vault"] = "asia" }, codes.InvalidArgument, `"asia"; the provider's configuration has: default, europe`},
		"attributes, no JSON": {func(r *request) { r.attributes[tokensKey] = "\x00" }, codes.PermissionDenied, "the pod's tokens are not the kubelet's"},
		"a pod name that is none": {
			func(r *request) { r.attributes[podName] = "a\nb" }, codes.InvalidArgument, podName + ": invalid mount request",
		},
		"a newline in a value": {func(r *request) { r.attributes["vault"] = "a\nb" }, codes.InvalidArgument, `"a\nb"`},

		// Who the pod is.
		"another team's scope":     {func(r *request) { r.attributes["scope"] = "prod/acme/marketing" }, codes.PermissionDenied, `scope: "prod/acme/marketing" is proven by namespace "gtc-prod--acme--marketing"`},
		"another team's namespace": {func(r *request) { r.attributes[podNamespace] = "gtc-prod--acme--marketing" }, codes.PermissionDenied, "scope: "},
		"another ServiceAccount":   {func(r *request) { r.attributes[serviceAccount] = "default" }, codes.PermissionDenied, "scope: "},
		"another team's secret":    {func(r *request) { r.attributes["objects"] += "\n- ref: " + foreign }, codes.PermissionDenied, "objects[1].ref: "},
		"another tenant's secret": {
			func(r *request) { r.attributes["objects"] += "\n- ref: secret://prod/zain/_/configs/x" }, codes.PermissionDenied, "objects[1].ref: ",
		},
		"a scope that is not served": {
			func(r *request) { r.attributes["vault"] = "europe" }, codes.PermissionDenied, `the vault connection does not serve the scope: "europe" and "prod/acme/sales"`,
		},

		// Whose token it is.
		"another pod's token": {func(r *request) { claim(r, "pod", "uid", "another") }, codes.PermissionDenied, "token: its kubernetes.io.pod.uid"},
		"another pod's name":  {func(r *request) { claim(r, "pod", "name", "another") }, codes.PermissionDenied, "token: its kubernetes.io.pod.name"},
		"another account's":   {func(r *request) { claim(r, "serviceaccount", "name", "another") }, codes.PermissionDenied, "token: its kubernetes.io.serviceaccount.name"},
		"another namespace's": {func(r *request) { claim(r, "", "namespace", "another") }, codes.PermissionDenied, "token: its kubernetes.io.namespace"},
		"another subject's":   {func(r *request) { r.claims["sub"] = "system:node:n1" }, codes.PermissionDenied, "token: its sub"},
		"another audience's":  {func(r *request) { r.claims["aud"] = []string{"https://kubernetes.default.svc"} }, codes.PermissionDenied, "token: its audience"},
		"expired":             {func(r *request) { r.claims["exp"] = time.Now().Add(-time.Minute).Unix() }, codes.PermissionDenied, "token: it expired"},
		"unsigned":            {func(r *request) { r.signature = "" }, codes.PermissionDenied, "not signed"},
		"no JWT":              {func(r *request) { r.attributes[tokensKey] = `{"vault":{"token":"canary"}}` }, codes.PermissionDenied, "not a pod's service-account token"},
		"bound to no pod":     {func(r *request) { delete(r.claims["kubernetes.io"].(map[string]any), "pod") }, codes.PermissionDenied, ""},
		"another in secrets": {func(r *request) {
			other := *r
			other.signature = "b3RoZXI"
			r.secrets = map[string]string{tokensKey: other.tokens()}
		}, codes.PermissionDenied, "attributes and secrets hold different ones"},
		"one audience more in secrets": {func(r *request) {
			r.secrets = map[string]string{tokensKey: strings.Replace(r.tokens(), "{", `{"x":{"token":"y"},`, 1)}
		}, codes.PermissionDenied, "attributes and secrets hold different ones"},

		// What the cluster does not send.
		"no token":             {func(r *request) { r.noTokens = true }, codes.FailedPrecondition, `the driver sent none for the audience "vault"; add {audience: "vault"} to tokenRequests`},
		"no token for us":      {func(r *request) { r.audience = "another" }, codes.FailedPrecondition, "tokenRequests"},
		"no pod's name":        {func(r *request) { delete(r.attributes, podName) }, codes.FailedPrecondition, podName},
		"no pod's UID":         {func(r *request) { delete(r.attributes, podUID) }, codes.FailedPrecondition, podUID},
		"no pod's namespace":   {func(r *request) { delete(r.attributes, podNamespace) }, codes.FailedPrecondition, "podInfoOnMount: true"},
		"no pod's account":     {func(r *request) { delete(r.attributes, serviceAccount) }, codes.FailedPrecondition, serviceAccount},
		"nothing of the pod's": {func(r *request) { r.attributes = map[string]string{"scope": "prod/acme/sales", "objects": oneToken} }, codes.FailedPrecondition, podUID},
	} {
		t.Run(name, func(t *testing.T) {
			v := filled(t)
			w := wire(t, configuration(v))
			r := good(oneToken)
			row.mutate(r)
			_, err := w.mount(t, r)
			assert.Equal(t, row.code, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "\n")
			assert.NotContains(t, err.Error(), "canary")
			assert.Empty(t, v.asked(), "Vault heard of it")
			assert.Equal(t, 1.0, w.metric(t, "greentic_provider_mounts_total", "result", "error"))
		})
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	t.Run("of the request", func(t *testing.T) {
		r := good("- ref: nonsense\n- {ref: '" + token + "', mode: 420, file: /etc/passwd}")
		r.attributes["scope"] = "prod"
		delete(r.attributes, podUID)
		_, err := w.mount(t, r)
		assert.Equal(t, codes.InvalidArgument, status.Code(err))
		for _, path := range []string{"scope: ", "objects[0].ref: ", "objects[1].mode: ", "objects[1].file: ", podUID + ": "} {
			assert.ErrorContains(t, err, path)
		}
	})
	t.Run("of the badge", func(t *testing.T) {
		r := good("- ref: " + foreign)
		r.attributes[podNamespace] = "default"
		r.claims["aud"] = "another"
		_, err := w.mount(t, r)
		assert.Equal(t, codes.PermissionDenied, status.Code(err))
		for _, path := range []string{"scope: ", "objects[0].ref: ", "token: its audience", "token: its kubernetes.io.namespace"} {
			assert.ErrorContains(t, err, path)
		}
	})
	t.Run("of the secrets", func(t *testing.T) {
		v.answer("secret/data/greentic/prod/acme/sales/configs/refused", answers(403, `{"errors":["canary"]}`))
		_, err := w.mount(t, good(fmt.Sprintf("- ref: %s\n- ref: %s\n- ref: %s\n  file: x", token, absent, "secret://prod/acme/sales/configs/refused")))
		assert.Equal(t, codes.PermissionDenied, status.Code(err), "what is refused comes before what is absent")
		assert.ErrorContains(t, err, "objects[1]: ")
		assert.ErrorContains(t, err, "objects[2]: ")
		assert.NotContains(t, err.Error(), "objects[0]")
		assert.NotContains(t, err.Error(), "canary")
	})
}

// TestTheLoginMustBeOfThisPod holds the second wall's half that is ours.
func TestTheLoginMustBeOfThisPod(t *testing.T) {
	for name, row := range map[string]struct {
		login map[string]string
		good  bool
	}{
		"all named":                  {map[string]string{"role": "gtc.prod.acme.sales", "service_account_namespace": "gtc-prod--acme--sales", "service_account_name": "gtc.acme.sales"}, true},
		"named, another role":        {map[string]string{"role": "other", "service_account_namespace": "gtc-prod--acme--sales", "service_account_name": "gtc.acme.sales"}, true},
		"only the role":              {map[string]string{"role": "gtc.prod.acme.sales"}, true},
		"only the namespace":         {map[string]string{"service_account_namespace": "gtc-prod--acme--sales"}, true},
		"another namespace":          {map[string]string{"role": "gtc.prod.acme.sales", "service_account_namespace": "other", "service_account_name": "gtc.acme.sales"}, false},
		"another account":            {map[string]string{"role": "gtc.prod.acme.sales", "service_account_namespace": "gtc-prod--acme--sales", "service_account_name": "other"}, false},
		"only another account":       {map[string]string{"role": "gtc.prod.acme.sales", "service_account_name": "other"}, false},
		"another role, else nothing": {map[string]string{"role": "gtc.prod.acme.marketing"}, false},
		"nothing":                    {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := filled(t)
			v.login = row.login
			_, err := wire(t, configuration(v)).mount(t, good("- ref: "+plain))
			if row.good {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, codes.PermissionDenied, status.Code(err))
			assert.ErrorContains(t, err, "vault's login is of another identity")
			assert.ErrorContains(t, err, "nothing was read")
			assert.Equal(t, []string{"auth/kubernetes/login"}, v.asked(), "something was read")
		})
	}
}

func TestSecretsThatDoNotOpen(t *testing.T) {
	v := filled(t)
	w := wire(t, configuration(v))
	v.putSealed("secret://prod/acme/sales/configs/poisoned", "canary", recordKey(t, 1), "vault:v1:poison")
	v.putSealed("secret://prod/acme/sales/configs/other-key", "canary", recordKey(t, 1), "vault:v1:"+base64.StdEncoding.EncodeToString(recordKey(t, 2).Reveal()))
	v.stored["prod/acme/sales/configs/moved"] = v.stored["prod/acme/_/openai/api_key"]
	v.stored["prod/acme/sales/configs/v1"] = `{"value":"canary"}`
	v.stored["prod/acme/sales/configs/tombstone"] = `{"data":{"__greentic_deleted":true},"metadata":{"version":2}}`
	for name, row := range map[string]struct {
		object string
		code   codes.Code
		says   string
	}{
		"a data key that transit refuses": {"- ref: secret://prod/acme/sales/configs/poisoned", codes.DataLoss, "transit does not decrypt it"},
		"a record of another key":         {"- ref: secret://prod/acme/sales/configs/other-key", codes.DataLoss, "the record cannot be opened"},
		"a record of another secret":      {"- ref: secret://prod/acme/sales/configs/moved", codes.DataLoss, `"secrets://prod/acme/_/openai/api_key"`},
		"an answer of KV version 1":       {"- ref: secret://prod/acme/sales/configs/v1", codes.Internal, "not an answer of a KV version 2 engine"},
		"a tombstone":                     {"- ref: secret://prod/acme/sales/configs/tombstone", codes.NotFound, "deleted"},
		"absent":                          {"- ref: " + absent, codes.NotFound, "secrets put"},
		"a version that is not there":     {"- ref: " + token + "@9", codes.NotFound, "version 9"},
		"a key that is not there":         {"- ref: " + signing + "\n  key: nothing", codes.NotFound, `objects[0].key: "` + signing + `": the secret has no such field: "nothing"`},
		"a key of what is no JSON":        {"- ref: " + token + "\n  key: user", codes.NotFound, "objects[0].key"},
		"plain without the field value":   {"- ref: secret://prod/acme/sales/configs/other", codes.NotFound, `"value"`},
	} {
		t.Run(name, func(t *testing.T) {
			v.put("secret://prod/acme/sales/configs/other", map[string]any{"username": "canary"})
			_, err := w.mount(t, good(row.object))
			assert.Equal(t, row.code, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, "objects[0]")
			assert.ErrorContains(t, err, row.says)
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), "objects[1]")
			_, err = w.mount(t, good(oneToken+"\n  file: first\n"+row.object))
			assert.ErrorContains(t, err, "objects[1]", "one object's fault is that object's")
			assert.NotContains(t, err.Error(), "objects[0]")
		})
	}
	t.Run("a refusal does not fall back", func(t *testing.T) {
		v.answer("secret/data/greentic/prod/acme/sales/openai/api_key", answers(403, `{"errors":["permission denied"]}`))
		_, err := w.mount(t, good("- ref: secret://prod/acme/sales/openai/api_key\n  fallback: tenant\n  optional: true"))
		assert.Equal(t, codes.PermissionDenied, status.Code(err))
	})
}
