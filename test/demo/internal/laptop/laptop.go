// Package laptop is where the demos' story begins: a laptop's secret file, as Greentic writes it, for the environment in examples/vault.
package laptop

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// Secret is a secret of the laptop's file. Its value is random, so that a search for it finds it or nothing.
type Secret struct {
	Ref   secretref.Reference
	Value secret.Value
}

// Digest is what the stand-in for a worker tells of the value.
func (s Secret) Digest() string { return fmt.Sprintf("%x", sha256.Sum256(s.Value.Reveal())) }

// ToldBy asserts that a worker of a team told of this secret if it is the team's or the tenant's, and only then.
func (s Secret) ToldBy(team, lines string) error {
	own := s.Ref.Scope().Team() == team || s.Ref.Scope().Team() == secretref.WholeTenant
	if own != strings.Contains(lines, s.Digest()) {
		return fmt.Errorf("the worker of %s: %s is read: %t, and it is the worker's: %t", team, s.Ref, !own, own)
	}
	return nil
}

// Rotated is the secret that the story changes. It is the first of Secrets.
var Rotated = secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_bot_token")

// Secrets are those of the example's two teams and their tenant, with fresh values.
func Secrets() []Secret {
	return []Secret{
		{Rotated, Random("xoxb-")},
		{secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_signing_secret"), Random("")},
		{secretref.MustParse("secret://prod/acme/support/messaging-telegram/telegram_bot_token"), Random("123456789:")},
		{secretref.MustParse("secret://prod/acme/support/zendesk/api_key"), Random("zd-")},
		{secretref.MustParse("secret://prod/acme/_/openai/api_key"), Random("sk-")},
		{secretref.MustParse("secret://prod/acme/_/messaging-webchat/jwt_signing_key"), Random("")},
	}
}

// Random is a fresh value.
func Random(prefix string) secret.Value { return secret.NewString(prefix + rand.Text()) }

// Write writes the secrets into a dev-store file, for its owner alone, and returns its size.
func Write(path string, secrets []Secret) (bytes int, err error) {
	entries := make([]record.Entry, len(secrets))
	for i, s := range secrets {
		entries[i] = record.Entry{Meta: record.Meta{Ref: s.Ref}, Value: s.Value, Version: 1}
	}
	text, err := record.WriteDevStore(entries, secret.Value{})
	if err != nil {
		return 0, err
	}
	return len(text), os.WriteFile(path, text, 0o600)
}

// Canaries are the secrets' values as a search looks for them.
func Canaries(secrets ...Secret) (canary.Set, error) {
	var set canary.Set
	for _, s := range secrets {
		if err := set.Add(s.Ref.String(), s.Value.RevealString()); err != nil {
			return set, err
		}
	}
	return set, nil
}
