package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// header begins every file that WriteFolder writes, and tells it which files are its own.
const header = "# Rendered by gtc-deployer; what is changed here is lost with the next rendering.\n"

// partial is in the names of files that are not whole yet.
const partial = ".gtc-deployer-*.tmp"

// YAML is one object as a document, its fields sorted.
func YAML(object unstructured.Unstructured) ([]byte, error) {
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", FileName(object), err)
	}
	return text, nil
}

// Write writes the objects as one stream of documents.
func Write(w io.Writer, objects []unstructured.Unstructured) error {
	var stream bytes.Buffer
	for _, object := range objects {
		text, err := YAML(object)
		if err != nil {
			return err
		}
		stream.WriteString("---\n")
		stream.Write(text)
	}
	if _, err := w.Write(stream.Bytes()); err != nil {
		return fmt.Errorf("writing manifests: %w", err)
	}
	return nil
}

// FileName is an object's file: its place in the order of application, its kind, its namespace and its name. A namespace holds no '.', so
// that no two objects share a file.
func FileName(object unstructured.Unstructured) string {
	kind := strings.ToLower(object.GetKind())
	if object.GetNamespace() == "" {
		return fmt.Sprintf("%02d-%s-%s.yaml", rank(object), kind, object.GetName())
	}
	return fmt.Sprintf("%02d-%s-%s.%s.yaml", rank(object), kind, object.GetNamespace(), object.GetName())
}

// WriteFolder writes one file for each object into folder, which it makes if need be, and removes its own files of objects that are no more.
// Files that it did not write stay as they are. A failure leaves the folder as it was, or with whole files only.
func WriteFolder(folder string, objects []unstructured.Unstructured) (err error) {
	texts := make(map[string][]byte, len(objects))
	for _, object := range objects {
		text, err := YAML(object)
		if err != nil {
			return err
		}
		texts[FileName(object)] = append([]byte(header), text...)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // nothing here is secret, and others apply it
		return fmt.Errorf("writing manifests: %w", err)
	}
	if err := refuseForeign(folder, texts); err != nil {
		return err
	}
	staged, err := stageAll(folder, texts)
	defer func() {
		for _, temporary := range staged {
			_ = os.Remove(temporary) // gone already where it was renamed
		}
	}()
	if err != nil {
		return fmt.Errorf("writing manifests: %w", err)
	}
	for name, temporary := range staged {
		if err := os.Rename(temporary, filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("writing manifests: %w", err)
		}
	}
	return removeStale(folder, texts)
}

// refuseForeign keeps a file that somebody else wrote from being replaced.
func refuseForeign(folder string, texts map[string][]byte) error {
	var faults []error
	for name := range texts {
		_, err := os.Lstat(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if ours, err := isOurs(filepath.Join(folder, name)); err != nil || !ours {
			faults = append(faults, fmt.Errorf("writing manifests: %q was not written by gtc-deployer; move it away or name another folder",
				filepath.Join(folder, name)))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// stageAll writes every text to a file beside its own; the result is by the names of the files that they become.
func stageAll(folder string, texts map[string][]byte) (staged map[string]string, err error) {
	staged = make(map[string]string, len(texts))
	for name, text := range texts {
		temporary, err := writeTemporary(folder, text)
		if temporary != "" {
			staged[name] = temporary
		}
		if err != nil {
			return staged, err
		}
	}
	return staged, nil
}

func writeTemporary(folder string, text []byte) (name string, err error) {
	file, err := os.CreateTemp(folder, partial)
	if err != nil {
		return "", err
	}
	_, writeErr := file.Write(text)
	// Nothing here is secret, and others apply it.
	return file.Name(), errors.Join(writeErr, file.Chmod(0o644), file.Close())
}

func removeStale(folder string, texts map[string][]byte) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("removing stale manifests: %w", err)
	}
	for _, entry := range entries {
		file := filepath.Join(folder, entry.Name())
		if _, current := texts[entry.Name()]; current || filepath.Ext(file) != ".yaml" {
			continue
		}
		ours, err := isOurs(file)
		if err == nil && ours {
			err = os.Remove(file)
		}
		if err != nil {
			return fmt.Errorf("removing stale manifests: %w", err)
		}
	}
	return nil
}

// isOurs reports whether file is a regular file that begins with the header.
func isOurs(file string) (bool, error) {
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	content, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer func() { _ = content.Close() }()
	line, err := bufio.NewReader(io.LimitReader(content, int64(len(header)))).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return line == header, err
}
