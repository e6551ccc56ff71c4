package podwatch_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/podwatch"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}

func pod(uid string) podwatch.Pod {
	return podwatch.Pod{Namespace: "gtc-prod--acme--sales", Name: "worker-0", UID: uid}
}

// settled has the watch hear of a pod that comes and ends: what was to be heard before has been. One that comes and ends while the watch is
// away is never heard of, so another comes until one is.
func (d *double) settled(t *testing.T, r *watcher) {
	t.Helper()
	before := r.probes()
	await(t, func() bool {
		d.tell("ADDED", pod(probe), "")
		d.tell("DELETED", pod(probe), "")
		for range 100 {
			if r.probes() > before {
				return true
			}
			time.Sleep(time.Millisecond)
		}
		return false
	}, "a pod's end is heard of")
}

func TestWhatIsAnEnd(t *testing.T) {
	d := newDouble(t)
	for _, uid := range []string{"a", "b", "c", "d", "e"} {
		d.pods[uid] = pod(uid)
	}
	r := d.watcher(t)
	await(t, func() bool { return len(r.told()) == 1 }, "it is up")
	d.tell("MODIFIED", pod("a"), `,"deletionTimestamp":"2026-01-02T03:04:05Z"`)
	d.tell("ADDED", pod("new"), "")
	d.tell("BOOKMARK", podwatch.Pod{}, "")
	d.settled(t, r)
	assert.Empty(t, r.names(), "not one that is to be deleted: its containers may need their credentials yet")
	d.tell("DELETED", pod("a"), `,"deletionTimestamp":"2026-01-02T03:04:05Z"`)
	d.tell("DELETED", pod("new"), "")
	d.tell("DELETED", pod("never seen"), "")
	d.settled(t, r)
	assert.Equal(t, []string{"a", "new"}, r.names(), "and no other pod of the same name")
	assert.Equal(t, []bool{true}, r.told())
	r.stop()
	assert.Equal(t, []bool{true, false}, r.told())
	assert.Equal(t, []string{"a", "new"}, r.names(), "its own end is no pod's")
}

func TestWhatIsAsked(t *testing.T) {
	d := newDouble(t)
	r := d.watcher(t)
	await(t, func() bool { return len(r.told()) == 1 }, "it is up")
	r.stop()
	list, watch := d.requests[0], d.requests[1]
	for _, request := range []*http.Request{list, watch} {
		assert.Equal(t, "GET", request.Method)
		assert.Equal(t, "/api/v1/pods", request.URL.Path)
		assert.Equal(t, "spec.nodeName=node-1,status.phase!=Succeeded,status.phase!=Failed", request.URL.Query().Get("fieldSelector"))
		assert.Equal(t, "Bearer token", request.Header.Get("Authorization"))
	}
	assert.Equal(t, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", list.Header.Get("Accept"), "of no pod more than its metadata")
	assert.Equal(t, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", watch.Header.Get("Accept"))
	assert.False(t, list.URL.Query().Has("resourceVersion"), "the most recent state: an older one could lack a pod")
	assert.Equal(t, "1000", watch.URL.Query().Get("resourceVersion"))
	assert.Equal(t, "true", watch.URL.Query().Get("allowWatchBookmarks"))
	assert.Regexp(t, `^[3-6]\d\d$`, watch.URL.Query().Get("timeoutSeconds"))
}

// TestAWatchThatBreaksGoesOn where it was, without a list.
func TestAWatchThatBreaksGoesOn(t *testing.T) {
	d := newDouble(t)
	d.pods["a"] = pod("a")
	d.watches = []http.HandlerFunc{says(200, ""), says(200, `{"type":"DEL`)}
	r := d.watcher(t)
	await(t, func() bool { return d.count(true) >= 3 }, "it asks again")
	d.tell("DELETED", pod("a"), "")
	d.settled(t, r)
	d.CloseClientConnections()
	d.settled(t, r)
	assert.Equal(t, []string{"a"}, r.names(), "each once")
	assert.Equal(t, 1, d.count(false))
}

// TestWhatIsGoneIsListed: what has ended meanwhile is not in the list, which has several pages.
func TestWhatIsGoneIsListed(t *testing.T) {
	d := newDouble(t)
	for i := range 7 {
		uid := fmt.Sprint("pod-", i)
		d.pods[uid] = pod(uid)
	}
	r := d.watcher(t)
	await(t, func() bool { return len(r.told()) == 1 }, "it is up")
	d.change(func(d *double) {
		delete(d.pods, "pod-3") // without a line in the history
		d.pods["other"] = pod("other")
		d.history, d.oldest = append(d.history, "", ""), 2
		close(d.changed)
		d.changed = make(chan struct{})
	})
	d.CloseClientConnections()
	await(t, func() bool { return len(r.names()) == 1 }, "the list")
	d.settled(t, r)
	assert.Equal(t, []string{"pod-3"}, r.names())
	assert.NotContains(t, r.log.String(), "canary")
}

// TestWhatEndsNoPod: each row is one answer to a list and to a watch that says nothing about any pod's end.
func TestWhatEndsNoPod(t *testing.T) {
	const head = `{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"5"},"items":`
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, head+"[]}")
	}
	for name, row := range map[string]struct {
		list  http.HandlerFunc
		watch http.HandlerFunc
		says  string
	}{
		"a refusal":                   {list: says(403, `{"kind":"Status","message":"canary"}`), says: "the API server answered 403; the pod watch needs the verbs list and watch on pods"},
		"an error":                    {list: says(500, "canary"), says: "the API server answered 500"},
		"an empty answer":             {list: says(200, ""), says: "it lacks one object"},
		"no JSON":                     {list: says(200, "<html>canary"), says: "it lacks one object"},
		"another list":                {list: says(200, strings.Replace(head, "PartialObjectMetadataList", "PodList", 1)+"[]}"), says: "it lacks a list of metadata"},
		"a list in other letters":     {list: says(200, `{"Kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"5"},"items":[]}`), says: "it lacks a list of metadata"},
		"no items":                    {list: says(200, head+"null}"), says: "it lacks items"},
		"items twice":                 {list: says(200, head+`[],"items":[]}`), says: "it lacks one object"},
		"half a list":                 {list: cut, says: "has ended before its time"},
		"half a list's JSON":          {list: says(200, head+"["), says: "it lacks one object"},
		"two lists":                   {list: says(200, head+"[]}"+head+"[]}"), says: "it lacks one object"},
		"no version":                  {list: says(200, `{"kind":"PartialObjectMetadataList","metadata":{},"items":[]}`), says: "it lacks metadata.resourceVersion"},
		"a version that is a number":  {list: says(200, `{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":5},"items":[]}`), says: "it lacks metadata.resourceVersion"},
		"a second page that fails":    {list: says(200, strings.Replace(head, `"5"`, `"5","continue":"x"`, 1)+"[]}"), says: "it lacks"},
		"a pod without a UID":         {list: says(200, head+`[{"metadata":{"name":"n","namespace":"n","resourceVersion":"1"}}]}`), says: "items[0]: the API server's answer cannot be understood: it lacks metadata.uid"},
		"a pod with a very long name": {list: says(200, head+`[{"metadata":{"name":"`+strings.Repeat("x", 300)+`","namespace":"n","uid":"u","resourceVersion":"1"}}]}`), says: "it lacks metadata.name"},
		"a page without an end":       {list: says(200, head+`["`+strings.Repeat("x", 25<<20)), says: "it is longer than"},

		"a refused watch":      {watch: says(403, ""), says: "watching the node's pods: the API server answered 403"},
		"a watch that is gone": {watch: says(410, ""), says: "does not know any more what was heard last"},
		"an unknown line":      {watch: says(200, `{"type":"ENDED","object":`+object(pod("a"), 3, "")+"}\n"), says: "it lacks a known type"},
		"a line in other letters": {
			watch: says(200, `{"Type":"DELETED","object":`+object(pod("a"), 3, "")+"}\n"), says: "it lacks type",
		},
		"a line of two":             {watch: says(200, `{"type":"BOOKMARK","type":"DELETED","object":`+object(pod("a"), 3, "")+"}\n"), says: "it lacks one object"},
		"a deletion of nobody":      {watch: says(200, `{"type":"DELETED","object":{"metadata":{"name":"n"}}}`+"\n"), says: "it lacks metadata"},
		"a deletion cut off":        {watch: says(200, `{"type":"DELETED","object":`+object(pod("a"), 3, "")+"}"), says: "has ended before its time"},
		"an error of no kind":       {watch: says(200, `{"type":"ERROR","object":{"message":"canary"}}`+"\n"), says: "it lacks a status"},
		"an error of the server's":  {watch: says(200, `{"type":"ERROR","object":{"kind":"Status","code":500}}`+"\n"), says: "the API server answered 500"},
		"a line without an end":     {watch: says(200, strings.Repeat("x", 5<<20)), says: "a line is longer than"},
		"a bookmark without a text": {watch: says(200, `{"type":"BOOKMARK","object":{"metadata":{}}}`+"\n"), says: "it lacks metadata.resourceVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.pods["a"], d.pods["b"], d.pods["c"] = pod("a"), pod("b"), pod("c")
			r := d.watcher(t)
			await(t, func() bool { return len(r.told()) == 1 }, "it is up")
			d.change(func(d *double) {
				d.watches = append(d.watches, row.watch)
				if row.list != nil {
					d.watches, d.lists = []http.HandlerFunc{says(410, "")}, []http.HandlerFunc{row.list}
				}
			})
			if strings.HasPrefix(name, "a second page") {
				d.change(func(d *double) { d.lists = append(d.lists, says(200, "{}")) })
			}
			d.CloseClientConnections()
			r.log.WaitFor(t, quoted(row.says)[1:len(row.says)])
			d.settled(t, r)
			assert.Empty(t, r.names())
			assert.NotContains(t, r.log.String(), "canary")
			assert.NotContains(t, r.log.String(), "Bearer")
		})
	}
}

// TestAnAPIServerThatStaysAway is asked now and then, told of once, and ends nothing.
func TestAnAPIServerThatStaysAway(t *testing.T) {
	d := newDouble(t)
	d.pods["a"] = pod("a")
	r := d.watcher(t)
	await(t, func() bool { return len(r.told()) == 1 }, "it is up")
	d.change(func(d *double) {
		delete(d.pods, "a")
		for range 5 {
			d.watches, d.lists = append(d.watches, says(503, "")), append(d.lists, says(503, ""))
		}
	})
	d.CloseClientConnections()
	await(t, func() bool { return d.count(false) >= 5 }, "it is asked again")
	assert.Empty(t, r.names())
	await(t, func() bool { return len(r.names()) == 1 }, "what has ended meanwhile is told when the API server is back")
	await(t, func() bool { return len(r.told()) == 3 }, "down and up")
	assert.Equal(t, []bool{true, false, true}, r.told())
	assert.Equal(t, 1, strings.Count(r.log.String(), `"level":"WARN"`))
}

func TestNodesNames(t *testing.T) {
	for _, name := range []string{"", "a,metadata.name!=b", "a=b", "A", ".", "a ", "-a", strings.Repeat("a", 254)} {
		_, err := podwatch.New(podwatch.Options{Node: name, Log: slog.New(slog.DiscardHandler)})
		require.ErrorIs(t, err, podwatch.ErrNode, name)
	}
	for _, name := range []string{"a", "node-1", "ip-10-0-0-1.eu.compute.internal"} {
		_, err := podwatch.New(podwatch.Options{Node: name, Least: time.Second})
		require.NoError(t, err)
	}
}
