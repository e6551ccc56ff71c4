package soak_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// rotating is a secret that gets a new value again and again. Each value says which it is.
type rotating struct {
	soak  *soak
	ref   secretref.Reference
	plain bool // it is no record

	turn sync.Mutex // one rotation at a time

	mu        sync.Mutex // guards what follows
	written   [][32]byte // digests of the values, also of one whose write may have failed; its number is its place
	confirmed int        // the newest that Vault surely has
	since     time.Time  // when that was
}

// next makes the value after the newest. It is a canary.
func (r *rotating) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, second := rand.Text(), rand.Text()
	value := fmt.Sprintf("%d %s%s%s", len(r.written), first, strings.Repeat("\"\\/+ &<é>%\n\t", 300), second)
	r.written = append(r.written, sha256.Sum256([]byte(value)))
	r.soak.canary("a value of "+r.ref.String(), first, second)
	return value
}

// rotate writes a new value until Vault has it.
func (r *rotating) rotate(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	value := r.next()
	for {
		err := r.put(ctx, value)
		if err == nil {
			break
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.confirmed, r.since = len(r.written)-1, time.Now()
	r.soak.count("rotation")
	return nil
}

func (r *rotating) put(ctx context.Context, value string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fields := map[string]any{"value": value}
	if !r.plain {
		key := record.NewDataKey()
		r.soak.canary("a data key", string(key.Reveal()))
		answer, err := r.soak.root.Logical().WriteWithContext(ctx, "transit/encrypt/greentic",
			map[string]any{"plaintext": base64.StdEncoding.EncodeToString(key.Reveal())})
		if err != nil {
			return err
		}
		if fields, err = record.Seal(record.Meta{Ref: r.ref}, secret.NewString(value), key, answer.Data["ciphertext"].(string)); err != nil {
			return err
		}
	}
	_, err := r.soak.root.KVv2("secret").Put(ctx, "greentic/"+r.ref.Key(), fields)
	return err
}

// which is the number of a value that a reader found; an error if it is no value that was ever written here, or not a whole one.
func (r *rotating) which(content []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var number int
	if _, err := fmt.Sscanf(string(content[:min(len(content), 12)]), "%d ", &number); err != nil || number < 0 || number >= len(r.written) {
		return 0, fmt.Errorf("%d bytes that are no value of it", len(content))
	}
	if sha256.Sum256(content) != r.written[number] {
		return 0, fmt.Errorf("%d bytes that begin like value %d and are another", len(content), number)
	}
	return number, nil
}

// newest is the value that every volume should show, and since when.
func (r *rotating) newest() (number int, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.confirmed, r.since
}

// wait waits, or returns ctx's error if that ends first.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
