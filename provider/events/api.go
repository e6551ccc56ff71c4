package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

// New is a Sender to the API server that client asks.
func New(client *kubeapi.Client, log *slog.Logger) *Sender {
	host, err := os.Hostname()
	if err != nil {
		host = component
	}
	return newSender(api{client: client, instance: host}, log)
}

// api is the API server.
type api struct {
	client   *kubeapi.Client
	instance string
}

// errEnding is an event that nobody will read: its namespace is being deleted, and the API server takes nothing new there.
var errEnding = errors.New("the namespace is being deleted")

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func kind(e Event) string {
	if e.Warning {
		return "Warning"
	}
	return "Normal"
}

// create adds an event. See https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
func (a api) create(ctx context.Context, e Event, first told) error {
	status, err := a.call(ctx, http.MethodPost, e, "", "application/json", map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"name": first.name, "namespace": e.Pod.Namespace},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "Pod", "namespace": e.Pod.Namespace, "name": e.Pod.Name, "uid": e.Pod.UID,
		},
		"type": kind(e), "reason": e.Reason, "message": e.text(), "count": first.count,
		"firstTimestamp": stamp(first.first), "lastTimestamp": stamp(first.last),
		"source":             map[string]any{"component": component},
		"reportingComponent": component, "reportingInstance": a.instance,
	})
	if err == nil && status != http.StatusCreated {
		err = refused(status)
	}
	return err
}

// patch counts an event up; gone says that the API server has forgotten it.
func (a api) patch(ctx context.Context, e Event, again told) (gone bool, err error) {
	status, err := a.call(ctx, http.MethodPatch, e, again.name, "application/merge-patch+json", map[string]any{
		"count": again.count, "lastTimestamp": stamp(again.last), "message": e.text(),
	})
	switch {
	case err != nil:
		return false, err
	case status == http.StatusNotFound:
		return true, nil
	case status != http.StatusOK:
		return false, refused(status)
	}
	return false, nil
}

func refused(status int) error {
	return fmt.Errorf("the API server answered %d; events need the verbs create and patch on events for the provider's ServiceAccount", status)
}

// call answers with the status. What the API server wrote is not repeated.
func (a api) call(ctx context.Context, method string, e Event, name, contentType string, body any) (int, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	path := []string{"api", "v1", "namespaces", e.Pod.Namespace, "events"}
	if name != "" {
		path = append(path, name)
	}
	answer, err := a.client.Do(ctx, kubeapi.Request{Method: method, Path: path, Accept: "application/json", ContentType: contentType, Body: text})
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	const most = 64 << 10
	said, _ := io.ReadAll(io.LimitReader(answer.Body, most)) // also so that the connection is used again
	if answer.StatusCode == http.StatusForbidden && kubeapi.ParseStatus(said).Because("NamespaceTerminating") {
		return 0, errEnding
	}
	return answer.StatusCode, nil
}
