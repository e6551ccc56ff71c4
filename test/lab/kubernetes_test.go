package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func TestTheAPIServersAuditLogSaysWhoAskedForWhat(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	serve(t, l, name, answer{files: map[string]string{"a": "one"}})
	mark, err := l.APIAuditMark()
	require.NoError(t, err)
	volume := volumeOf(t, l.Kubelet(), pod(name))
	require.NoError(t, volume.Publish(ctx))

	seen := func(user, verb, uri string) func() bool {
		return func() bool {
			entries, err := l.APIAuditSince(mark)
			if err != nil {
				return false
			}
			for _, e := range entries {
				if e.User == user && e.Verb == verb && e.URI == uri && e.Status == http.StatusCreated && e.UserAgent != "" && time.Since(e.Time) < time.Minute {
					return true
				}
			}
			return false
		}
	}
	pods := "/api/v1/namespaces/" + name + "/pods"
	assert.Eventually(t, seen("lab-admin", "create", pods), 30*time.Second, 5*time.Millisecond)
	assert.Eventually(t, seen("system:node:n1", "create", "/api/v1/namespaces/"+name+"/serviceaccounts/worker/token"), 30*time.Second, 5*time.Millisecond)
	assert.Eventually(t, seen("system:serviceaccount:kube-system:secrets-store-csi-driver", "create",
		"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/"+name+"/secretproviderclasspodstatuses"), 30*time.Second, 5*time.Millisecond)
	assert.False(t, seen("system:node:n1", "create", pods)(), "the check itself: nobody did this")
}

func TestTheAPIServerComesBackWithItsObjects(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	vaultWith(t, l, name)
	volume := volumeOf(t, l.Kubelet(), pod(name))
	token, err := l.Token(ctx, volume.Pod(), "vault")
	require.NoError(t, err)

	l.StopAPIServer()
	_, err = l.Clientset().CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	require.Error(t, err)
	_, err = login(ctx, l, name+"-kubernetes", name, token)
	assert.Equal(t, http.StatusForbidden, statusOf(err), "vault cannot ask who it is, and says no")
	_, err = login(ctx, l, name+"-jwt", name, token)
	assert.NoError(t, err, "the jwt method needs no API server")

	require.NoError(t, l.StartAPIServer(ctx))
	_, err = l.Clientset().CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	_, err = login(ctx, l, name+"-kubernetes", name, token)
	require.NoError(t, err)
}

func TestSignedTokensAreTheClustersOwn(t *testing.T) {
	l := lab.Shared(t)
	name := objects(t, l)
	pod := volumeOf(t, l.Kubelet(), pod(name)).Pod()
	now := time.Now()
	sign := func(audience string, issued time.Time) string {
		claims, err := l.Claims(t.Context(), pod, audience, issued, time.Hour)
		require.NoError(t, err)
		token, err := l.SignToken(claims)
		require.NoError(t, err)
		return token
	}
	assert.True(t, reviewed(t, l, sign("vault", now), "vault").Authenticated)
	assert.False(t, reviewed(t, l, sign("vault", now.Add(-2*time.Hour)), "vault").Authenticated, "expired")
	assert.False(t, reviewed(t, l, sign("elsewhere", now), "vault").Authenticated, "another audience")
	own, err := l.Token(t.Context(), pod, "")
	require.NoError(t, err)
	assert.True(t, reviewed(t, l, own).Authenticated, "an empty audience is the API server's own")
	text, err := lab.TokensJSON("vault", own, now)
	require.NoError(t, err)
	assert.JSONEq(t, fmt.Sprintf(`{"vault":{"token":%q,"expirationTimestamp":%q}}`, own, now.UTC().Format(time.RFC3339)), text)
}

func TestChangesOfARequest(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": ""}})
	volume := volumeOf(t, l.Kubelet(), pod(name))
	const key = "csi.storage.k8s.io/serviceAccount.tokens"
	for _, row := range []struct {
		what               string
		change             lab.Change
		attribute, secrets string
	}{
		{"by attribute", lab.WithTokens("{}"), "{}", "null"},
		{"by secret", lab.WithSecretTokens("[]"), "[]", `{"` + key + `":"[]"}`},
		{"none", lab.WithoutTokens(), "", "null"},
		{"any attribute", lab.WithAttribute(key, "x"), "x", "null"},
	} {
		t.Run(row.what, func(t *testing.T) {
			require.NoError(t, volume.Publish(ctx, row.change))
			assert.Equal(t, row.attribute, provider.attributes(t)[key])
			assert.Equal(t, row.secrets, provider.last(t).GetSecrets())
		})
	}
}

func TestRightsAreRBACs(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	config := l.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + name + ":worker"}
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = client.CoreV1().Secrets(name).List(ctx, metav1.ListOptions{})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: l.ReviewerToken()}}
	reviewer := rest.AnonymousClientConfig(l.RESTConfig())
	reviewer.BearerToken = l.ReviewerToken()
	client, err = kubernetes.NewForConfig(reviewer)
	require.NoError(t, err)
	answer, err := client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, "system:serviceaccount:vault:vault-reviewer", answer.Status.User.Username)
}

func TestApplyAndDelete(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	two, err := lab.Objects(fmt.Appendf(nil, `
# a comment, and a document without an object
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s}
data: {a: "1"}
---
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "%[1]s"}}
`, name))
	require.NoError(t, err)
	require.Len(t, two, 2)
	require.NoError(t, l.Apply(ctx, two...))
	require.NoError(t, l.Apply(ctx, two...), "applying again changes nothing")
	made, err := l.Clientset().CoreV1().ConfigMaps("default").Get(ctx, name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "1"}, made.Data)
	require.NoError(t, l.Delete(ctx, two...))
	assert.True(t, apierrors.IsNotFound(l.Delete(ctx, two...)))

	_, err = lab.Objects([]byte("a: 1\n---\na: 1\na: 2\n"))
	assert.ErrorContains(t, err, "reading document 2: ")
	err = l.ApplyYAML(ctx, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: Not_Legal}\n"))
	assert.True(t, apierrors.IsInvalid(err), "%v", err)
	assert.ErrorContains(t, err, `applying Namespace "/Not_Legal": `)
}

func TestAKindThatIsNotServedIsAnError(t *testing.T) {
	l := lab.Shared(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // one that was just defined is waited for
	defer cancel()
	err := l.ApplyYAML(ctx, []byte("apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: a}\n"))
	assert.True(t, meta.IsNoMatchError(err), "%v", err)
}

func TestTheKubeconfigIsTheAdministrators(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	info, err := os.Stat(l.Kubeconfig())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestEtcdsFolderHoldsTheObjectsInPlain(t *testing.T) {
	l := lab.Shared(t)
	name := objects(t, l)
	found := false
	require.NoError(t, filepath.Walk(l.EtcdDir(), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || bytes.Contains(text, []byte(name))
		return err
	}))
	assert.True(t, found)
}
