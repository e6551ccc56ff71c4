package stage

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// reference is the n-th secret of the index-th pod of a batch.
func (s *Stage) reference(kind Kind, index, n int) (secretref.Reference, error) {
	return secretref.Parse(fmt.Sprintf("secret://%s/%s/pod-%03d-secret-%d", s.scope, kind.category(), index, n))
}

// value is what that secret holds: as long as a bot's token.
func value(kind Kind, index, n int) string {
	return fmt.Sprintf("xoxb-%s-%03d-%d-0123456789abcdefghijklmnopqrstuvwxyz", kind.category(), index, n)
}

// path is where that secret is stored, below the KV mount: Greentic's default prefix and the reference's segments.
func (s *Stage) path(kind Kind, index, n int) string {
	return fmt.Sprintf("greentic/%s/%s/pod-%03d-secret-%d", s.scope, kind.category(), index, n)
}

// each calls do for every secret of a kind and joins what goes wrong.
func (s *Stage) each(do func(index, n int) error) error {
	var faults []error
	for index := range s.pods {
		for n := range SecretsPerPod {
			faults = append(faults, do(index, n))
		}
	}
	return errors.Join(faults...)
}

// writePlain writes the plain secrets, as an operator would with Vault's own tools.
func (s *Stage) writePlain(ctx context.Context) error {
	client, err := s.lab.VaultClient()
	if err != nil {
		return err
	}
	writes, ctx := errgroup.WithContext(ctx)
	writes.SetLimit(8)
	_ = s.each(func(index, n int) error {
		writes.Go(func() error {
			_, err := client.KVv2("secret").Put(ctx, s.path(Plain, index, n), map[string]any{"value": value(Plain, index, n)})
			return err
		})
		return nil
	})
	if err := writes.Wait(); err != nil {
		return fmt.Errorf("writing the plain secrets: %w", err)
	}
	return nil
}

// devStore is a dev-store file with all records.
func (s *Stage) devStore() ([]byte, error) {
	var entries []record.Entry
	err := s.each(func(index, n int) error {
		ref, err := s.reference(Records, index, n)
		entries = append(entries, record.Entry{Meta: record.Meta{Ref: ref}, Value: secret.NewString(value(Records, index, n))})
		return err
	})
	if err != nil {
		return nil, err
	}
	return record.WriteDevStore(entries, secret.Value{})
}
