package integration_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// aviary is where canaries come from, and where all that was said about them is kept.
type aviary struct {
	world *world
	from  map[string]int64 // how long each log was before the first canary

	mu     sync.Mutex // guards what follows
	set    canary.Set
	spoken []string // errors, outputs, metrics
}

// value is a fresh secret that every encoding changes in its own way. Each half is looked for by itself too: texts are cut.
func (a *aviary) value(t *testing.T, name string) string {
	t.Helper()
	first, second := rand.Text(), rand.Text()
	value := first + "\"\\/+ &<é>%\n\t" + second
	for _, part := range []string{first, second, value} {
		a.add(t, name, part)
	}
	return value
}

func (a *aviary) add(t *testing.T, name, secret string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.NoError(t, a.set.Add(name, secret))
}

// token adds a pod's token by its signature: what stands before it are claims, which are no secret.
func (a *aviary) token(t *testing.T, name, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	a.add(t, name, parts[2])
	return token
}

// watch adds the tokens that the kubelet sends.
func (a *aviary) watch(t *testing.T) lab.Change {
	return func(r *csi.NodePublishVolumeRequest) {
		var sent map[string]struct {
			Token string `json:"token"`
		}
		assert.NoError(t, json.Unmarshal([]byte(r.VolumeContext[tokensKey]), &sent))
		for _, entry := range sent {
			a.token(t, "a pod's token", entry.Token)
		}
	}
}

// heard keeps a text that somebody may read.
func (a *aviary) heard(texts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spoken = append(a.spoken, texts...)
}

// TestCanaries mounts, refuses, fails, crashes and rotates with secrets that are looked for afterwards wherever they may not be: in every log of every
// program at every level, in errors, events, metrics and the dump of a crash, in every object of the API server, and in etcd's files.
func TestCanaries(t *testing.T) {
	w, env := production(t)
	a := &aviary{world: w, from: logSizes(t, w)}
	root, err := w.VaultToken()
	require.NoError(t, err)
	a.add(t, "Vault's root token", root)
	a.token(t, "the reviewer's token", w.ReviewerToken())

	t.Run("log level", func(t *testing.T) {
		for _, level := range []string{"error", "warn", "info", "debug"} {
			t.Run(level, func(t *testing.T) {
				t.Parallel() // with the other levels
				a.send(t, env, level)
			})
		}
	})
	decoy := a.value(t, "decoy")
	a.search(t, decoy)
}

// send sends canaries every way, through a provider that logs at the level.
func (a *aviary) send(t *testing.T, env *environment, level string) {
	front := a.world.newFront(t)
	provider := a.world.startProvider(t, a.world.configOf(a.world.toVault(front.URL)), "--log-level="+level)
	c := &cage{aviary: a, env: env, front: front, provider: provider, category: unique("canary")}
	t.Run("mount", c.mount)
	t.Run("refuse", c.refuse)
	t.Run("fail", c.fail)
	t.Run("crash", c.crash)
	require.NotEmpty(t, front.vaultTokens())
	for _, token := range front.vaultTokens() {
		a.add(t, "a pod's Vault token", token)
	}
	require.NotEmpty(t, front.dataKeys())
	for _, key := range front.dataKeys() {
		a.add(t, "a data key", key)
	}
}

// cage is what canaries are sent through at one log level.
type cage struct {
	*aviary
	env      *environment
	front    *front
	provider *provider
	category string
}

func (c *cage) reference(t *testing.T, name string) secretref.Reference {
	t.Helper()
	return ref(t, c.env.sales, c.category, name)
}

func (c *cage) class(objects string) class {
	return class{provider: c.provider.name, scope: c.env.sales, objects: objects}
}

// mount goes the good way: a mount, a rotation, a worker.
func (c *cage) mount(t *testing.T) {
	record, plain := c.reference(t, "record"), c.reference(t, "plain")
	c.env.put(t, record.String(), c.value(t, "record"))
	c.world.write(t, plain, map[string]any{"value": c.value(t, "plain"), "other": c.value(t, "plain's other field")})
	class := c.class(fmt.Sprintf("- ref: %q\n- ref: %q\n", record, plain))
	volume := c.world.pod(t, c.env.sales, class.apply(t, c.world))
	require.NoError(t, volume.Publish(t.Context(), c.watch(t)))
	rotated := c.value(t, "rotated record")
	c.world.put(t, record, rotated)
	require.NoError(t, volume.Publish(t.Context(), c.watch(t)))
	require.Equal(t, rotated, contents(t, volume)[record.Path()])

	promise := []string{"--wait", "0s", "--secret", record.String()}
	got := run(t, c.world.behind(t, volume, append(promise, "--dev-store", c.world.memory(t)+"/store", "--", c.world.program("worker"), "dev-store")...))
	require.Equal(t, 0, got.code, got.stderr)
	held := run(t, c.world.behind(t, volume, append(promise, "--secret", c.reference(t, "missing").String(), "--", "true")...))
	require.Equal(t, 69, held.code)
	c.heard(got.stdout, got.stderr, held.stdout, held.stderr)
}

// refuse sends what the first wall refuses, with canaries where a careless text would quote them.
func (c *cage) refuse(t *testing.T) {
	pod, twin := c.world.pod(t, c.env.sales, "class"), c.world.pod(t, c.env.sales, "class")
	own := c.token(t, "a pod's token", c.world.token(t, pod))
	foreign := c.token(t, "a foreign pod's token", c.world.token(t, twin))
	class := c.class(fmt.Sprintf("- ref: %q", c.reference(t, "record")))
	ask := func(change func(attributes, secrets map[string]string), says codes.Code) {
		t.Helper()
		attributes, secrets := attributes(pod, class, tokens(t, own)), map[string]string{}
		change(attributes, secrets)
		_, err := c.provider.client(t).Mount(t.Context(), wire(t, attributes, secrets))
		requireRefused(t, err, says)
		c.heard(err.Error())
	}
	ask(func(a, _ map[string]string) { a["scope"] = c.env.support.String() }, codes.PermissionDenied)
	ask(func(a, _ map[string]string) { a[tokensKey] = tokens(t, foreign) }, codes.PermissionDenied)
	ask(func(a, _ map[string]string) { a[tokensKey] = tokens(t, c.value(t, "garbage token")) }, codes.PermissionDenied)
	ask(func(a, _ map[string]string) { a[tokensKey] = c.value(t, "garbage tokens") }, codes.PermissionDenied)
	ask(func(a, _ map[string]string) { a[tokensKey] = `{"vault":"` + foreign + `"}` }, codes.PermissionDenied)
	ask(func(a, _ map[string]string) { a[tokensKey] = `{"` + foreign + `":1}` }, codes.PermissionDenied)
	ask(func(_, s map[string]string) { s[tokensKey] = tokens(t, foreign) }, codes.PermissionDenied)
	ask(func(_, s map[string]string) { s[tokensKey] = c.value(t, "garbage in secrets") }, codes.PermissionDenied)
	request := c.world.own(t, pod, class)
	request.Secrets = `{"` + foreign
	_, err := c.provider.client(t).Mount(t.Context(), request)
	requireRefused(t, err, codes.InvalidArgument)
	request.Secrets, request.Attributes = "null", `{"csi.storage.k8s.io/serviceAccount.tokens": {"`+foreign
	_, second := c.provider.client(t).Mount(t.Context(), request)
	requireRefused(t, second, codes.InvalidArgument)
	c.heard(err.Error(), second.Error())
}

// fail has Vault answer in every wrong way, with canaries in its answers.
func (c *cage) fail(t *testing.T) {
	record := c.reference(t, "failing")
	c.world.put(t, record, c.value(t, "a failing mount's record"))
	corrupt := c.reference(t, "corrupt")
	c.world.write(t, corrupt, map[string]any{"record": c.value(t, "corrupt record")})
	keyless := c.reference(t, "keyless")
	c.world.put(t, keyless, `{"a":`+jsonText(t, c.value(t, "a value without the key"))+`}`)
	header := http.Header{"Content-Type": {"application/json"}}
	text := jsonText(t, c.value(t, "in Vault's answer"))
	objects := fmt.Sprintf("- ref: %q\n", record)
	for _, row := range []struct {
		name, objects string
		answer        answer
	}{
		{"corrupt record", objects + fmt.Sprintf("- ref: %q\n", corrupt), nil},
		{"no such key", objects + fmt.Sprintf("- {ref: %q, key: b}\n", keyless), nil},
		{"absent", objects + fmt.Sprintf("- ref: %q\n", c.reference(t, "absent")), nil},
		{"login refused", objects, on("login", always(403, header, `{"errors":[`+text+`]}`))},
		{"login bad", objects, on("login", always(400, header, `{"errors":[`+text+`]}`))},
		{"login of another kind", objects, on("login", always(200, header, `{"auth":{"client_token":`+text+`,"metadata":{"role":`+text+`}}}`))},
		{"login's answer no JSON", objects, on("login", always(200, header, `{"auth":{"client_token":`+text))},
		{"read refused", objects, on("read", always(403, header, `{"errors":[`+text+`]}`))},
		{"read absent", objects, on("read", always(404, header, `{"errors":[`+text+`]}`))},
		{"read bad", objects, on("read", always(400, header, `{"errors":[`+text+`]}`))},
		{"read's answer no secret", objects, on("read", always(200, header, `{"data":{"data":{"record":`+text+`},"metadata":{"version":`+text+`}}}`))},
		{"read's answer no JSON", objects, on("read", always(200, header, `{"data":{"data":{"record":`+text))},
		{"read's warnings", objects, on("read", always(200, header, `{"data":null,"warnings":[`+text+`]}`))},
		{"decrypt refused", objects, on("decrypt", always(403, header, `{"errors":[`+text+`]}`))},
		{"decrypt bad", objects, on("decrypt", always(400, header, `{"errors":[`+text+`]}`))},
		{"decrypt to something else", objects, on("decrypt", always(200, header, `{"data":{"batch_results":[{"plaintext":`+text+`}]}}`))},
		{"server's error", objects, every(always(500, header, `{"errors":[`+text+`]}`))},
		{"HTML", objects, on("read", always(200, nil, "<html>"+c.value(t, "in a page")))},
		{"redirect", objects, on("read", always(307, http.Header{"Location": {"http://stranger.invalid/" + rand.Text()}}, ""))},
	} {
		t.Run(row.name, func(t *testing.T) {
			volume := c.world.pod(t, c.env.sales, c.class(row.objects).apply(t, c.world))
			c.front.replace(row.answer)
			defer c.front.replace(nil)
			err := volume.Publish(t.Context(), c.watch(t))
			require.Error(t, err)
			c.heard(err.Error())
			requireNothing(t, volume)
		})
	}
}

// crash ends the provider with a dump of all that it is doing, in the middle of a mount that holds secrets.
func (c *cage) crash(t *testing.T) {
	c.heard(c.provider.scrape(t))
	_, sessions, err := get(t.Context(), c.provider.health+"/debug/sessions")
	require.NoError(t, err)
	require.Contains(t, sessions, `"uid"`)
	c.heard(sessions)
	_, driver, err := get(t.Context(), c.world.DriverMetrics())
	require.NoError(t, err)
	c.heard(driver)
	record, plain := c.reference(t, "failing"), c.reference(t, "plain")
	pod := c.world.pod(t, c.env.sales, "class")
	class := c.class(fmt.Sprintf("- ref: %q\n- ref: %q\n", record, plain))
	token := c.token(t, "a pod's token", c.world.token(t, pod))
	c.front.replace(on("decrypt", hang))
	defer c.front.replace(nil)
	before := len(c.front.requests())
	answered := make(chan error, 1)
	client := c.provider.client(t)
	go func() {
		_, err := client.Mount(t.Context(), wire(t, attributes(pod, class, tokens(t, token)), nil))
		answered <- err
	}()
	eventually(t, func() bool { return len(c.front.requests()) == before+4 }, "the provider has read and decrypts")
	require.NoError(t, c.provider.Signal(syscall.SIGQUIT))
	select {
	case err := <-answered:
		require.Error(t, err)
		c.heard(err.Error())
	case <-time.After(soon):
		t.Fatal("the provider still answers")
	}
	require.Error(t, c.provider.Wait())
	require.Contains(t, c.provider.log(t), "goroutine ", "there is no dump")
}
