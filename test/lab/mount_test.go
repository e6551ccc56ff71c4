package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// patient bounds a test's calls.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// objects makes a namespace with a ServiceAccount "worker" and a class "class" of a provider that is called like the namespace.
func objects(t *testing.T, l *lab.Lab) (name string) {
	t.Helper()
	name = fmt.Sprintf("test-%x", time.Now().UnixNano()&0xffffffffff)
	require.NoError(t, l.ApplyYAML(t.Context(), fmt.Appendf(nil, `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: worker, namespace: %[1]s}
---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: class, namespace: %[1]s}
spec: {provider: %[1]s, parameters: {scope: from-the-class, objects: from-the-class}}
`, name)))
	return name
}

// pod is one of the namespace that objects has made.
func pod(name string) lab.Pod {
	return lab.Pod{Namespace: name, Name: "pod", ServiceAccount: "worker", Class: "class"}
}

// volumeOf makes a pod and returns its volume.
func volumeOf(t *testing.T, kubelet *lab.Kubelet, pod lab.Pod) *lab.Volume {
	t.Helper()
	volume, err := kubelet.Volume(t.Context(), pod)
	require.NoError(t, err)
	return volume
}

func files(t *testing.T, v *lab.Volume) map[string]string {
	t.Helper()
	list, err := v.Files()
	require.NoError(t, err)
	contents := map[string]string{}
	for _, file := range list {
		content, err := v.Read(file.Path)
		require.NoError(t, err)
		assert.Len(t, content, int(file.Size))
		contents[file.Path] = string(content)
	}
	return contents
}

func mounted(t *testing.T, v *lab.Volume) bool {
	t.Helper()
	is, err := v.Mounted()
	require.NoError(t, err)
	return is
}

// pollAt gives the driver a poll interval for one test, and takes it back.
func pollAt(t *testing.T, l *lab.Lab, poll time.Duration) {
	t.Helper()
	require.NoError(t, l.RestartDriver(t.Context(), poll))
	t.Cleanup(func() { require.NoError(t, l.RestartDriver(context.Background(), 0)) })
}

func TestVolumeIsMountedRepublishedAndUnpublished(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": "one", "b/c": "two", "empty": ""}})
	volume := volumeOf(t, l.Kubelet(), pod(name))
	assert.False(t, mounted(t, volume))
	assert.Empty(t, files(t, volume))

	require.NoError(t, volume.Publish(ctx))
	assert.True(t, mounted(t, volume))
	assert.Equal(t, map[string]string{"a": "one", "b/c": "two", "empty": ""}, files(t, volume))
	list, err := volume.Files()
	require.NoError(t, err)
	assert.Equal(t, "-rw-r--r--", list[0].Mode.String())
	assert.NoFileExists(t, volume.Target()+"/a", "the tmpfs is to be seen on the node only")
	assert.Equal(t, 1, provider.calls())

	provider.answer(answer{files: map[string]string{"a": "three"}})
	require.NoError(t, volume.Publish(ctx))
	assert.Equal(t, map[string]string{"a": "three"}, files(t, volume))
	assert.Equal(t, 2, provider.calls())

	require.NoError(t, volume.Unpublish(ctx))
	assert.False(t, mounted(t, volume))
	assert.NoDirExists(t, volume.Path())
}

func TestARequestIsWhatAKubeletSends(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": ""}})
	asked := pod(name)
	// What its author may put over the class, and what they may not put over the kubelet.
	asked.Attributes = map[string]string{"scope": "from-the-pod", "csi.storage.k8s.io/pod.name": "another", "csi.storage.k8s.io/serviceAccount.tokens": "forged"}
	volume := volumeOf(t, l.Kubelet(), asked)
	require.NoError(t, volume.Publish(ctx))

	attributes := provider.attributes(t)
	var tokens map[string]authenticationv1.TokenRequestStatus
	require.NoError(t, json.Unmarshal([]byte(attributes["csi.storage.k8s.io/serviceAccount.tokens"]), &tokens))
	delete(attributes, "csi.storage.k8s.io/serviceAccount.tokens")
	assert.Equal(t, map[string]string{
		"secretProviderClass": "class", "scope": "from-the-pod", "objects": "from-the-class",
		"csi.storage.k8s.io/pod.name": "pod", "csi.storage.k8s.io/pod.namespace": name, "csi.storage.k8s.io/pod.uid": string(volume.Pod().UID),
		"csi.storage.k8s.io/serviceAccount.name": "worker", "csi.storage.k8s.io/ephemeral": "true",
	}, attributes)
	assert.Equal(t, "null", provider.last(t).GetSecrets())
	assert.Equal(t, "420", provider.last(t).GetPermission())
	assert.Equal(t, volume.Target(), provider.last(t).GetTargetPath())
	assert.Contains(t, volume.Target(), "/pods/"+string(volume.Pod().UID)+"/volumes/kubernetes.io~csi/secrets/mount")

	require.Len(t, tokens, 1)
	assert.InDelta(t, time.Hour.Seconds(), time.Until(tokens["vault"].ExpirationTimestamp.Time).Seconds(), 60)
	review := reviewed(t, l, tokens["vault"].Token, "vault")
	assert.True(t, review.Authenticated, review.Error)
	assert.Equal(t, "system:serviceaccount:"+name+":worker", review.User.Username)
	assert.Equal(t, authenticationv1.ExtraValue{string(volume.Pod().UID)}, review.User.Extra["authentication.kubernetes.io/pod-uid"])

	require.NoError(t, l.Kubelet().DeletePod(ctx, volume.Pod()))
	assert.Eventually(t, func() bool { return !reviewed(t, l, tokens["vault"].Token, "vault").Authenticated }, 15*time.Second, 200*time.Millisecond,
		"a deleted pod's token is good no more, once the API server has forgotten that it was")
}

func reviewed(t *testing.T, l *lab.Lab, token string, audiences ...string) authenticationv1.TokenReviewStatus {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	answer, err := l.Clientset().AuthenticationV1().TokenReviews().Create(context.Background(), review, metav1.CreateOptions{})
	if !assert.NoError(t, err) {
		return authenticationv1.TokenReviewStatus{}
	}
	return answer.Status
}

func TestTokensComeAsTheDriverObjectSays(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": ""}})
	t.Cleanup(func() { require.NoError(t, l.ConfigureTokens(context.Background(), []string{"vault"}, false)) })
	volume := volumeOf(t, l.Kubelet(), pod(name))
	tokens := func(text string) (audiences []string) {
		var tokens map[string]authenticationv1.TokenRequestStatus
		require.NoError(t, json.Unmarshal([]byte(text), &tokens))
		for audience := range tokens {
			audiences = append(audiences, audience)
		}
		return audiences
	}

	require.NoError(t, l.ConfigureTokens(ctx, []string{"vault", ""}, false))
	require.NoError(t, volume.Publish(ctx))
	assert.ElementsMatch(t, []string{"vault", ""}, tokens(provider.attributes(t)["csi.storage.k8s.io/serviceAccount.tokens"]))
	assert.Equal(t, "null", provider.last(t).GetSecrets())

	require.NoError(t, l.ConfigureTokens(ctx, []string{"vault"}, true))
	require.NoError(t, volume.Publish(ctx))
	var secrets map[string]string
	require.NoError(t, json.Unmarshal([]byte(provider.last(t).GetSecrets()), &secrets))
	assert.Equal(t, []string{"vault"}, tokens(secrets["csi.storage.k8s.io/serviceAccount.tokens"]))
	assert.Equal(t, secrets["csi.storage.k8s.io/serviceAccount.tokens"], provider.attributes(t)["csi.storage.k8s.io/serviceAccount.tokens"],
		"the driver copies them into the attributes")

	require.NoError(t, l.ConfigureTokens(ctx, nil, false))
	require.NoError(t, volume.Publish(ctx))
	assert.NotContains(t, provider.attributes(t), "csi.storage.k8s.io/serviceAccount.tokens")
}

func TestTokensAreFreshUnlessTheKubeletCaches(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": ""}})
	sent := func(v *lab.Volume) string {
		require.NoError(t, v.Publish(ctx))
		return provider.attributes(t)["csi.storage.k8s.io/serviceAccount.tokens"]
	}
	volume := volumeOf(t, l.Kubelet(), pod(name))
	assert.NotEqual(t, sent(volume), sent(volume))
	caching := l.CachingKubelet().VolumesOf(volume.Pod())
	require.Len(t, caching, 1)
	assert.Equal(t, sent(caching[0]), sent(caching[0]))
}

func TestAPublishSecretIsSent(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	provider := serve(t, l, name, answer{files: map[string]string{"a": ""}})
	asked := pod(name)
	asked.SecretRef = "with-password"
	volume := volumeOf(t, l.Kubelet(), asked)
	require.ErrorContains(t, volume.Publish(ctx), "fetching the volume's nodePublishSecretRef: ")
	assert.Zero(t, provider.calls())
	require.NoError(t, l.ApplyYAML(ctx, fmt.Appendf(nil,
		"apiVersion: v1\nkind: Secret\nmetadata: {name: with-password, namespace: %s}\nstringData: {password: sesame}\n", name)))
	require.NoError(t, volume.Publish(ctx))
	assert.JSONEq(t, `{"password":"sesame"}`, provider.last(t).GetSecrets())
}

func TestAFailureIsHandledAsAKubeletDoes(t *testing.T) {
	l := lab.Shared(t)
	for _, row := range []struct {
		code codes.Code
		kept bool
	}{
		{codes.FailedPrecondition, false}, {codes.PermissionDenied, false}, {codes.Internal, false}, {codes.Unknown, false},
		{codes.ResourceExhausted, true}, {codes.DeadlineExceeded, true}, {codes.Aborted, true}, {codes.Canceled, true},
	} {
		t.Run(row.code.String(), func(t *testing.T) {
			ctx := patient(t)
			name := objects(t, l)
			serve(t, l, name, answer{err: status.Error(row.code, "no \"such\"\nthing")})
			volume := volumeOf(t, l.Kubelet(), pod(name))
			err := volume.Publish(ctx)
			assert.Equal(t, row.code, status.Code(err))
			assert.Equal(t, !row.kept, lab.Final(err))
			assert.False(t, mounted(t, volume))
			if row.kept {
				assert.DirExists(t, volume.Path())
				assert.FileExists(t, strings.TrimSuffix(volume.Path(), "mount")+"vol_data.json")
			} else {
				assert.NoDirExists(t, strings.TrimSuffix(volume.Path(), "/mount"))
			}
			events, err := l.Clientset().CoreV1().Events(name).List(ctx, metav1.ListOptions{})
			require.NoError(t, err)
			require.Len(t, events.Items, 1)
			event := events.Items[0]
			assert.Equal(t, "FailedMount", event.Reason)
			assert.Equal(t, "Warning", event.Type)
			assert.Equal(t, volume.Pod().UID, event.InvolvedObject.UID)
			wanted := fmt.Sprintf("MountVolume.SetUp failed for volume \"secrets\" : rpc error: code = %[1]s desc = failed to mount secrets store objects for pod %[2]s/pod, "+
				"err: rpc error: code = %[1]s desc = no \"such\"\nthing", row.code, name)
			assert.Equal(t, wanted, event.Message)
		})
	}
}

func TestMountTriesAgainAsAKubeletDoes(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	refused := answer{err: status.Error(codes.FailedPrecondition, "not yet")}
	provider := serve(t, l, name, refused, refused, answer{files: map[string]string{"a": "one"}})
	volume := volumeOf(t, l.Kubelet(), pod(name))
	begin := time.Now()
	require.NoError(t, volume.Mount(ctx))
	assert.GreaterOrEqual(t, time.Since(begin), 1500*time.Millisecond, "half a second and a second of waiting")
	assert.Equal(t, 3, provider.calls())
	assert.Equal(t, map[string]string{"a": "one"}, files(t, volume))

	provider.answer(refused)
	other := pod(name)
	other.Name = "other"
	short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	err := volumeOf(t, l.Kubelet(), other).Mount(short)
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "the last failure is the error")
}

func TestWithoutADriverThereIsNoMount(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	name := objects(t, l)
	serve(t, l, name, answer{files: map[string]string{"a": "one"}})
	l.KillDriver()
	t.Cleanup(func() { require.NoError(t, l.StartDriver(context.Background(), 0)) })
	volume := volumeOf(t, l.Kubelet(), pod(name))
	err := volume.Publish(ctx)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.False(t, lab.Final(err))
	assert.False(t, lab.Final(errors.New("no status")))
}

func TestAPodNeedsItsServiceAccount(t *testing.T) {
	l, ctx := lab.Shared(t), patient(t)
	asked := pod(objects(t, l))
	asked.ServiceAccount = "nobody"
	_, err := l.Kubelet().Volume(ctx, asked)
	require.ErrorContains(t, err, `/pod": its ServiceAccount: serviceaccounts "nobody" not found`)
}
