package podwatch_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
	"github.com/greenticai/gtc-csi-provider/provider/podwatch"
	"github.com/greenticai/gtc-csi-provider/provider/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// double is an API server that keeps pods and their history as the real one does, until a test gives it another answer.
type double struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	pods     map[string]podwatch.Pod // by UID
	history  []string                // lines of a watch; the one at i has the resourceVersion i+1
	oldest   int                     // what is asked for from before that is gone
	changed  chan struct{}           // closed at the next change
	perPage  int
	lists    []http.HandlerFunc // instead of the next lists
	watches  []http.HandlerFunc // likewise
	requests []*http.Request
	open     int // watches
}

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{t: t, pods: map[string]podwatch.Pod{}, changed: make(chan struct{}), perPage: 2}
	d.Server = httptest.NewTLSServer(d)
	t.Cleanup(d.Close)
	return d
}

func object(pod podwatch.Pod, version int, more string) string {
	return fmt.Sprintf(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":%q,"namespace":%q,"uid":%q,"resourceVersion":"%d"%s}}`,
		pod.Name, pod.Namespace, pod.UID, version, more)
}

// tell adds a line to the history.
func (d *double) tell(kind string, pod podwatch.Pod, more string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.history = append(d.history, fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object(pod, len(d.history)+1, more)))
	delete(d.pods, pod.UID)
	if kind != "DELETED" {
		d.pods[pod.UID] = pod
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *double) change(how func(*double)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.requests = append(d.requests, r)
	answer, scripted := d.list, &d.lists
	if r.URL.Query().Get("watch") == "true" {
		answer, scripted = d.watch, &d.watches
	}
	if len(*scripted) > 0 {
		answer, *scripted = (*scripted)[0], (*scripted)[1:]
	}
	d.mu.Unlock()
	answer(w, r)
}

func (d *double) list(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var uids []string
	for uid := range d.pods {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	to := min(from+d.perPage, len(uids))
	next := ""
	if to < len(uids) {
		next = strconv.Itoa(to)
	}
	var items []string
	for _, uid := range uids[from:to] {
		items = append(items, object(d.pods[uid], 1, ""))
	}
	_, _ = fmt.Fprintf(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`,
		len(d.history)+1000, next, strings.Join(items, ","))
}

// watch streams the history from where it is asked for; resourceVersions of lists are 1000 more, so that none is 0.
func (d *double) watch(w http.ResponseWriter, r *http.Request) {
	at, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	if at >= 1000 {
		at -= 1000
	}
	d.change(func(d *double) { d.open++ })
	defer d.change(func(d *double) { d.open-- })
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		d.mu.Lock()
		lines, gone, changed := d.history[min(at, len(d.history)):], at < d.oldest, d.changed
		d.mu.Unlock()
		if gone {
			_, _ = io.WriteString(w, `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"canary"}}`+"\n")
			return
		}
		for _, line := range lines {
			_, _ = io.WriteString(w, line+"\n")
		}
		at += len(lines)
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// says answers with a status and a text, once.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// watcher is a running Watch and what it tells.
type watcher struct {
	t    *testing.T
	log  *rpctest.Log
	stop func()

	mu    sync.Mutex
	ended []podwatch.Pod
	ups   []bool
}

func (d *double) watcher(t *testing.T) *watcher {
	t.Helper()
	folder := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "token"), []byte("token"), 0o600))
	client, err := kubeapi.New(d.URL, folder)
	require.NoError(t, err)
	r := &watcher{t: t, log: &rpctest.Log{}}
	w, err := podwatch.New(podwatch.Options{
		API: client, Node: "node-1", Least: time.Millisecond, Most: 20 * time.Millisecond,
		Log: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ended: func(pod podwatch.Pod) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ended = append(r.ended, pod)
		},
		Up: func(up bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ups = append(r.ups, up)
		},
	})
	require.NoError(t, err)
	done := make(chan error, 1)
	ctx, stop := contextOf(t)
	go func() { done <- w.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		stop()
		require.NoError(t, <-done)
		client.Close()
	})
	t.Cleanup(r.stop)
	return r
}

// names are the pods that have ended, by UID.
func (r *watcher) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	uids := []string{}
	for _, pod := range r.ended {
		if pod.UID != probe {
			uids = append(uids, pod.UID)
		}
	}
	slices.Sort(uids)
	return uids
}

// probe is the UID of a pod by whose end a test sees that the watch hears.
const probe = "probe"

func (r *watcher) probes() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pod := range r.ended {
		if pod.UID == probe {
			n++
		}
	}
	return n
}

func (r *watcher) told() []bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ups)
}

func (d *double) count(watch bool) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, request := range d.requests {
		if (request.URL.Query().Get("watch") == "true") == watch {
			n++
		}
	}
	return n
}

// await waits for what takes a moment, on a machine that may be busy.
func await(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, time.Millisecond, what)
}

func quoted(text string) string {
	out, _ := json.Marshal(text)
	return string(out)
}
