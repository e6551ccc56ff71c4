// Package search looks through a whole cluster: every object of the API, decoded, and every file on the node's disk.
package search

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// Each visits every object of every kind that the API server lists, in all namespaces, and returns how many kinds there are.
func Each(ctx context.Context, config *rest.Config, visit func(*unstructured.Unstructured) error) (kinds int, err error) {
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // of kinds that are going away
	known, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return 0, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	lists, err := known.ServerPreferredResources()
	if err != nil {
		return 0, fmt.Errorf("asking which kinds there are: %w", err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return kinds, err
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			all, err := client.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // told of, and not served
			}
			if err != nil {
				return kinds, fmt.Errorf("listing %s: %w", resource.Name, err)
			}
			kinds++
			for i := range all.Items {
				if err := visit(&all.Items[i]); err != nil {
					return kinds, err
				}
			}
		}
	}
	return kinds, nil
}

// Result is what a search has found, and how much it has looked at.
type Result struct {
	Places  []canary.Place
	Looked  int // objects, files or entries
	Kinds   int // of objects
	Decoded int // texts that stood packed in objects: base64, gzip
}

// Objects looks for set in every object of the API: as it is, and in whatever is packed in its strings.
func Objects(ctx context.Context, config *rest.Config, set canary.Set) (Result, error) {
	var r Result
	kinds, err := Each(ctx, config, func(object *unstructured.Unstructured) error {
		r.Looked++
		text, err := object.MarshalJSON()
		if err != nil {
			return err
		}
		texts := [][]byte{text}
		eachString(object.Object, func(s string) { texts = append(texts, unpacked([]byte(s))...) })
		r.Decoded += len(texts) - 1
		where := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		for _, text := range texts {
			r.Places = append(r.Places, at(where, set.Find(text))...)
		}
		return nil
	})
	r.Kinds = kinds
	return r, err
}

func at(where string, needles []canary.Needle) []canary.Place {
	places := make([]canary.Place, len(needles))
	for i, needle := range needles {
		places[i] = canary.Place{Path: where, Needle: needle}
	}
	return places
}

func eachString(value any, do func(string)) {
	switch value := value.(type) {
	case string:
		do(value)
	case []any:
		for _, element := range value {
			eachString(element, do)
		}
	case map[string]any:
		for key, element := range value {
			do(key)
			eachString(element, do)
		}
	}
}

// unpacked are what stands behind the base64 and gzip of a text, layer by layer: Helm keeps a release as base64 of gzip in base64.
func unpacked(packed []byte) [][]byte {
	const layers = 8
	var texts [][]byte
	for range layers {
		text, err := base64.StdEncoding.DecodeString(string(packed))
		if err != nil {
			text, err = gunzip(packed)
		}
		if err != nil || len(text) == 0 {
			break
		}
		texts = append(texts, text)
		packed = text
	}
	return texts
}

func gunzip(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
