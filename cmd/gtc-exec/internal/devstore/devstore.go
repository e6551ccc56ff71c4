//go:build linux

// Package devstore hands secrets to a worker in the form that it reads on its developer's laptop: Greentic's dev-store file.
//
// Greentic's reader opens the file for reading and writing, creating it, under an exclusive lock, each time it loads it, so the file
// cannot be a part of the read-only volume. It is written beside it, into a folder that lives in memory.
package devstore

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-exec/internal/volume"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Greentic's own variables (greentic-start, dev_store_path.rs; greentic-secrets, providers/greentic-dev).
const (
	// PathVariable names the file to the worker.
	PathVariable = "GREENTIC_DEV_SECRETS_PATH"
	// KeyVariable is the key material that the file's data keys are hidden with; not set is the same as empty.
	KeyVariable = "GREENTIC_DEV_MASTER_KEY"
)

var (
	// ErrPromises is a set of promises that no dev-store can hold.
	ErrPromises = errors.New("not one dev-store")
	// ErrContents is a set of secrets that does not go into a dev-store.
	ErrContents = errors.New("secrets do not fit a dev-store")
	// ErrWrite is a file that could not be written.
	ErrWrite = errors.New("dev-store not written")
)

// Check refuses promises that a dev-store cannot hold: it knows one newest value of a secret, so no two versions of it. The error is
// ErrPromises.
func Check(promises volume.Promises) error {
	seen := make(map[secretref.Reference]secretref.Reference)
	var faults []error
	for _, p := range promises.All() {
		newest := p.Ref().Newest()
		if other, twice := seen[newest]; twice {
			faults = append(faults, fmt.Errorf("%w: %s and %s are the same secret, and a dev-store has one value for it",
				ErrPromises, other, p.Ref()))
		}
		seen[newest] = p.Ref()
	}
	return errors.Join(faults...)
}

// Write writes the promised secrets that snapshot holds, and no others, to place; key is KeyVariable's value. The error is ErrContents
// or ErrWrite.
func (p *Place) Write(promises volume.Promises, snapshot volume.Snapshot, key string) error {
	var entries []record.Entry
	for _, promise := range promises.All() {
		if value, found := snapshot.Value(promise.Ref()); found {
			entries = append(entries, record.Entry{Meta: record.Meta{Ref: promise.Ref(), ContentType: contentType(value)}, Value: value})
		}
	}
	if !utf8.ValidString(key) {
		key = "" // Greentic's reader takes a variable that is not UTF-8 for one that is not set
	}
	contents, err := record.WriteDevStore(entries, secret.NewString(key))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrContents, err)
	}
	defer clear(contents)
	if err := p.write(contents); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return nil
}

// contentType is all that can be told of a value from its bytes; Greentic's tools write "text" for what a person typed.
func contentType(value secret.Value) record.ContentType {
	if utf8.Valid(value.Reveal()) {
		return record.ContentText
	}
	return record.ContentBinary
}
