//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/e2e/search"
	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// Where some may be, and must then be found: a search that finds nothing has to show that it can find.
const (
	decoy      = "decoy"
	rootsToken = "Vault's root token"
	rootsFile  = "/var/lib/gtc-e2e/vault/init.token" // Vault's own folder on the node
)

// playSearch looks for the secrets of all suites before it, and for tokens, in every object of the API and in every file on the node's disk. It needs
// suite 6, whose worker asked for a copy in a Secret.
func playSearch(t *testing.T) {
	s := begin(t, 11, "objects, etcd, logs and disk are searched: suite 6's copy is found, nothing else")
	b, token := s.sales(t)
	pod := s.start(t, s.reader(b, "running", volume{class: "own", files: []string{"sales/slack/bot_token"}}))
	assert.Equal(t, map[string]string{"sales/slack/bot_token": digest(token)}, s.told(t, pod, 0), "there is something to be found")

	var sought canary.Set
	harness.canaries.mu.Lock()
	sought.AddAll(harness.canaries.hidden)
	sought.AddAll(harness.canaries.synced)
	synced := harness.canaries.synced.Names()
	secrets := len(sought.Names())
	harness.canaries.mu.Unlock()
	require.NotEmpty(t, synced, "suite 6 has copied nothing: run it too (-run 'Test06|Test11')")
	s.tokens(t, b, &sought)
	s.plant(t, &sought)

	began := time.Now()
	objects, err := search.Objects(t.Context(), s.Cluster.RestConfig(), sought)
	require.NoError(t, err)
	assert.Greater(t, objects.Looked, 200, "objects")
	assert.Greater(t, objects.Kinds, 40, "kinds")
	s.measure("%d objects of %d kinds and %d texts packed in them, in %.1f s", objects.Looked, objects.Kinds, objects.Decoded, time.Since(began).Seconds())
	began = time.Now()
	disk, err := search.Disk(t.Context(), s.Cluster.Node(), sought)
	require.NoError(t, err)
	assert.Greater(t, disk.Looked, 1000, "files")
	journal, err := search.Journal(t.Context(), s.Cluster.Node(), sought)
	require.NoError(t, err)
	s.measure("%d files on the node's disk, and its journal, in %.1f s; sought: %d secrets of all suites, and tokens", disk.Looked, time.Since(began).Seconds(), secrets)

	// What may be found, is.
	for _, name := range synced {
		assert.Contains(t, found(objects, name), "Secret "+syncedIn(t, name)+"/stays", "the copy that was asked for")
	}
	for what, places := range map[string][]string{
		"the API":            found(objects, decoy),
		"etcd's files":       below(found(disk, decoy), "/var/lib/etcd/"),
		"the pods' logs":     below(found(disk, decoy), "/var/log/pods/"),
		"containers' layers": below(found(disk, decoy), "/var/lib/containerd/"),
		"the journal":        found(journal, decoy),
		"Vault's folder":     below(found(disk, rootsToken), rootsFile),
	} {
		assert.NotEmpty(t, places, "a decoy in %s", what)
	}
	// Nothing else is.
	for _, place := range slices.Concat(objects.Places, disk.Places, journal.Places) {
		switch {
		case place.Name == decoy:
		case place.Name == rootsToken && place.Path == rootsFile:
		case slices.Contains(synced, place.Name) && isTheCopy(place.Path, syncedIn(t, place.Name)):
		default:
			assert.Fail(t, "a leak", place.String())
		}
	}
}

// syncedIn is the namespace of a copy that was asked for, which only suite 6 does.
func syncedIn(t *testing.T, name string) string {
	t.Helper()
	id, _, _ := strings.Cut(name, " ")
	require.Equal(t, "e2e06", id)
	return "gtc-" + id + "--acme--sales"
}

// isTheCopy says whether a place is the Secret that was asked for, or etcd, which keeps it and all that it was.
func isTheCopy(place, namespace string) bool {
	return strings.HasPrefix(place, "Secret "+namespace+"/") || strings.HasPrefix(place, "/var/lib/etcd/")
}

// found are the places of one canary.
func found(in search.Result, name string) []string {
	var places []string
	for _, place := range in.Places {
		if place.Name == name {
			places = append(places, place.Path)
		}
	}
	return places
}

func below(places []string, folder string) []string {
	return slices.DeleteFunc(places, func(place string) bool { return !strings.HasPrefix(place, folder) })
}

// tokens adds how tokens look: a pod's by its first part, which names the key that this cluster signs with, and a Vault token by its first characters,
// which are those of every token of this Vault that pods get. Vault's root token is sought as it is.
func (s *story) tokens(t *testing.T, b badge.Badge, sought *canary.Set) {
	t.Helper()
	made, err := s.Kube.CoreV1().ServiceAccounts(b.Namespace).CreateToken(t.Context(), b.ServiceAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{stage.Audience}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	header, _, signed := strings.Cut(made.Status.Token, ".")
	require.True(t, signed)
	require.NoError(t, sought.Add("a pod's token", header))

	client, err := s.Vault.Client(t.Context())
	require.NoError(t, err)
	client.ClearToken()
	login, err := client.Logical().WriteWithContext(t.Context(), "auth/kubernetes/login",
		map[string]any{"role": "gtc." + s.id("") + ".acme.sales", "jwt": made.Status.Token})
	require.NoError(t, err)
	const same = len("hvb.") + 7 // the encoded number of the key and of the format
	require.True(t, strings.HasPrefix(login.Auth.ClientToken, "hvb."), "a batch token")
	require.NoError(t, sought.Add("a pod's Vault token", login.Auth.ClientToken[:same]))
	root, err := s.Vault.Token(t.Context())
	require.NoError(t, err)
	require.NoError(t, sought.Add(rootsToken, root))
}

// plant puts a decoy where things are searched: a pod has it in its variables, prints it and writes it into its own file system; the node logs it.
func (s *story) plant(t *testing.T, sought *canary.Set) {
	t.Helper()
	var planted canary.Set
	value := fresh(t, &planted, decoy, "decoy-")
	sought.AddAll(planted)
	namespace := s.id("-decoy")
	s.applyTyped(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	s.eventually(t, "the namespace's ServiceAccount", func(ctx context.Context) error {
		_, err := s.Kube.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	s.create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "decoy"},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "decoy", Image: s.Images.Init, Command: []string{"/bin/sh", "-c", `echo "$DECOY"; echo "$DECOY" >/written`},
			Env: []corev1.EnvVar{{Name: "DECOY", Value: value}},
		}}},
	})
	_, err := stage.Await(soon(t), s.Pods(), namespace, "decoy", func(pod *corev1.Pod) error {
		if pod.Status.Phase != corev1.PodSucceeded {
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	})
	require.NoError(t, err)
	_, err = s.Cluster.Node().Exec(t.Context(), "systemd-cat", "echo", value)
	require.NoError(t, err)
}
