package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/test/canary"
	"github.com/greenticai/gtc-csi-provider/test/demo/internal/laptop"
)

func (d *demo) writeDevStore(context.Context) error {
	d.secrets = laptop.Secrets()
	d.devStore = filepath.Join(d.lab.Dir(), ".dev.secrets.env")
	size, err := laptop.Write(d.devStore, d.secrets)
	if err != nil {
		return err
	}
	d.Say("%s: %d secrets of two teams and their tenant, %d bytes", filepath.Base(d.devStore), len(d.secrets), size)
	for _, s := range d.secrets {
		d.Say("  %-72s %s", s.Ref, d.shown(s.Value))
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
	return laptop.Canaries(append(slices.Clone(d.secrets), d.past...)...)
}
