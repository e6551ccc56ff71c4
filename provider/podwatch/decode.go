package podwatch

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

var (
	errAnswer = errors.New("the API server's answer cannot be understood")
	errGone   = errors.New("the API server does not know any more what was heard last")
)

// longestText is more than a name, a namespace, a UID or a resourceVersion can have.
const longestText = 253

// Pod is a pod, by its UID; the rest is for people.
type Pod struct{ Namespace, Name, UID string }

// page is a part of a list.
type page struct {
	pods    []Pod
	version string
	next    string // "" with the last one
}

// change is a line of a watch. A bookmark has no pod.
type change struct {
	kind    string
	pod     Pod
	version string
}

// What a line of a watch can be. See https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
const (
	added    = "ADDED"
	modified = "MODIFIED"
	deleted  = "DELETED"
	bookmark = "BOOKMARK"
	failed   = "ERROR"
)

// parsePage reads a PartialObjectMetadataList, or nothing of it where any part is not as it should be.
func parsePage(text []byte) (page, error) {
	list, err := exactjson.Parse(text)
	if err != nil {
		return page{}, lacks("one object")
	}
	if kind, err := list.Text("kind"); err != nil || kind != "PartialObjectMetadataList" {
		return page{}, lacks("a list of metadata")
	}
	metadata, err := list.Object("metadata")
	if err != nil {
		return page{}, lacks("metadata")
	}
	var p page
	if p.version, err = required(metadata, "resourceVersion"); err != nil {
		return page{}, err
	}
	if metadata.Has("continue") {
		if p.next, err = metadata.Text("continue"); err != nil {
			return page{}, lacks("metadata.continue that is text")
		}
	}
	var items []exactjson.Object
	if err := list.Read("items", &items); err != nil {
		return page{}, lacks("items")
	}
	for i, item := range items {
		pod, _, err := parsePod(item)
		if err != nil {
			return page{}, fmt.Errorf("items[%d]: %w", i, err)
		}
		p.pods = append(p.pods, pod)
	}
	return p, nil
}

// parseChange reads a line of a watch. A line that says that the watch has failed is an error, errGone if only a new list helps.
func parseChange(line []byte) (change, error) {
	event, err := exactjson.Parse(line)
	if err != nil {
		return change{}, lacks("one object")
	}
	var c change
	if c.kind, err = event.Text("type"); err != nil {
		return change{}, lacks("type")
	}
	object, err := event.Object("object")
	if err != nil {
		return change{}, lacks("object")
	}
	switch c.kind {
	case added, modified, deleted:
		c.pod, c.version, err = parsePod(object)
		return c, err
	case bookmark:
		metadata, err := object.Object("metadata")
		if err != nil {
			return change{}, lacks("metadata")
		}
		c.version, err = required(metadata, "resourceVersion")
		return c, err
	case failed:
		status := kubeapi.ParseStatus(event.Raw("object"))
		if status.Code == 0 {
			return change{}, lacks("a status")
		}
		return change{}, refused(status.Code)
	default:
		return change{}, lacks("a known type")
	}
}

func parsePod(object exactjson.Object) (pod Pod, version string, err error) {
	metadata, err := object.Object("metadata")
	if err != nil {
		return Pod{}, "", lacks("metadata")
	}
	for _, field := range []struct {
		name string
		into *string
	}{{"namespace", &pod.Namespace}, {"name", &pod.Name}, {"uid", &pod.UID}, {"resourceVersion", &version}} {
		if *field.into, err = required(metadata, field.name); err != nil {
			return Pod{}, "", err
		}
	}
	return pod, version, nil
}

// required is a field of metadata that has to be there.
func required(metadata exactjson.Object, name string) (string, error) {
	value, err := metadata.Text(name)
	if err != nil || value == "" || len(value) > longestText {
		return "", lacks("metadata." + name + " that is text of a usual length")
	}
	return value, nil
}

func lacks(what string) error { return fmt.Errorf("%w: it lacks %s", errAnswer, what) }

// refused is an answer other than 200.
func refused(status int) error {
	switch status {
	case http.StatusGone:
		return errGone
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the API server answered %d; the pod watch needs the verbs list and watch on pods for the provider's ServiceAccount", status)
	default:
		return fmt.Errorf("the API server answered %d", status)
	}
}
