package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/operator"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// batch is how many data keys go into one request.
const batch = 500

// seal gives each of writes a data key of its own, wrapped by transit, and encrypts its value under it.
func (s *Store) seal(ctx context.Context, writes []*write) error {
	for some := range slices.Chunk(writes, batch) {
		if err := s.sealBatch(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sealBatch(ctx context.Context, writes []*write) error {
	type input struct {
		Plaintext string `json:"plaintext"`
	}
	keys := make([]secret.Value, len(writes))
	inputs := make([]input, len(writes))
	for i := range writes {
		keys[i] = record.NewDataKey()
		defer keys[i].Wipe()
		inputs[i] = input{Plaintext: base64.StdEncoding.EncodeToString(keys[i].Reveal())}
	}
	answer, err := s.vault.Write(ctx, s.places.Encrypt(), map[string]any{"batch_input": inputs})
	if err != nil {
		return fmt.Errorf("wrapping data keys: %w", err)
	}
	results, err := decodeBatch(answer, len(writes))
	if err != nil {
		return fmt.Errorf("wrapping data keys: %w", err)
	}
	for i, w := range writes {
		if results[i].Error != "" {
			return fmt.Errorf("wrapping data keys: %w: transit refuses key %d of %d", operator.ErrAnswer, i+1, len(writes))
		}
		if w.data, err = record.Seal(w.meta, w.value, keys[i], results[i].Ciphertext); err != nil {
			return fmt.Errorf("sealing %q: %w", w.meta.Ref, err)
		}
	}
	return nil
}

// open decrypts records, in their order; a record that does not open has an error in its place.
func (s *Store) open(ctx context.Context, records []record.Record) ([]secret.Value, []error, error) {
	var values []secret.Value
	var faults []error
	for some := range slices.Chunk(records, batch) {
		v, f, err := s.openBatch(ctx, some)
		if err != nil {
			return nil, nil, err
		}
		values, faults = append(values, v...), append(faults, f...)
	}
	return values, faults, nil
}

func (s *Store) openBatch(ctx context.Context, records []record.Record) ([]secret.Value, []error, error) {
	type input struct {
		Ciphertext string `json:"ciphertext"`
	}
	inputs := make([]input, len(records))
	for i, r := range records {
		inputs[i].Ciphertext = r.WrappedKey()
	}
	answer, err := s.vault.Write(ctx, s.places.Decrypt(), map[string]any{"batch_input": inputs})
	// One bad ciphertext makes the whole answer a 400, and the others are in it nevertheless.
	var status *operator.StatusError
	if err != nil && (!errors.As(err, &status) || status.Status != http.StatusBadRequest || answer.Data == nil) {
		return nil, nil, fmt.Errorf("unwrapping data keys: %w", err)
	}
	results, err := decodeBatch(answer, len(records))
	if err != nil {
		return nil, nil, fmt.Errorf("unwrapping data keys: %w", err)
	}
	values, faults := make([]secret.Value, len(records)), make([]error, len(records))
	for i, r := range records {
		key, err := base64.StdEncoding.DecodeString(results[i].Plaintext)
		if results[i].Error != "" || err != nil {
			faults[i] = fmt.Errorf("%w: transit does not unwrap its data key", record.ErrCorrupt)
			continue
		}
		values[i], faults[i] = r.Open(secret.New(key))
		clear(key)
	}
	return values, faults, nil
}

type batchResult struct {
	Ciphertext string `json:"ciphertext"`
	Plaintext  string `json:"plaintext"`
	Error      string `json:"error"`
}

func decodeBatch(answer operator.Answer, want int) ([]batchResult, error) {
	var body struct {
		Results []batchResult `json:"batch_results"`
	}
	if err := answer.Decode(&body); err != nil {
		return nil, err
	}
	if len(body.Results) != want {
		return nil, fmt.Errorf("%w: %d results for %d inputs", operator.ErrAnswer, len(body.Results), want)
	}
	return body.Results, nil
}
