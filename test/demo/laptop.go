package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// laptopSecret is a secret of the laptop's file. Its value is random, so that a search for it finds it or nothing.
type laptopSecret struct {
	ref   secretref.Reference
	value secret.Value
}

// rotated is the secret that the story changes.
var rotated = secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_bot_token")

func newSecrets() []laptopSecret {
	return []laptopSecret{
		{rotated, random("xoxb-")},
		{secretref.MustParse("secret://prod/acme/sales/messaging-slack/slack_signing_secret"), random("")},
		{secretref.MustParse("secret://prod/acme/support/messaging-telegram/telegram_bot_token"), random("123456789:")},
		{secretref.MustParse("secret://prod/acme/support/zendesk/api_key"), random("zd-")},
		{secretref.MustParse("secret://prod/acme/_/openai/api_key"), random("sk-")},
		{secretref.MustParse("secret://prod/acme/_/messaging-webchat/jwt_signing_key"), random("")},
	}
}

func random(prefix string) secret.Value { return secret.NewString(prefix + rand.Text()) }

func (d *demo) writeDevStore(context.Context) error {
	d.secrets = newSecrets()
	entries := make([]record.Entry, len(d.secrets))
	for i, s := range d.secrets {
		entries[i] = record.Entry{Meta: record.Meta{Ref: s.ref}, Value: s.value, Version: 1}
	}
	text, err := record.WriteDevStore(entries, secret.Value{})
	if err != nil {
		return err
	}
	d.devStore = filepath.Join(d.lab.Dir(), ".dev.secrets.env")
	if err := os.WriteFile(d.devStore, text, 0o600); err != nil {
		return err
	}
	d.say("%s: %d secrets of two teams and their tenant, %d bytes", filepath.Base(d.devStore), len(d.secrets), len(text))
	for _, s := range d.secrets {
		d.say("  %-72s %s", s.ref, d.shown(s.value))
	}
	return nil
}

// shown is a value for a person: its size, and itself only if asked for.
func (d *demo) shown(value secret.Value) string {
	if d.reveal {
		return value.RevealString()
	}
	return fmt.Sprintf("%d bytes", value.Len())
}

// canaries are all values of the story so far.
func (d *demo) canaries() (canary.Set, error) {
	var set canary.Set
	for _, s := range append(slices.Clone(d.secrets), d.past...) {
		if err := set.Add(s.ref.String(), s.value.RevealString()); err != nil {
			return set, err
		}
	}
	return set, nil
}
