package provider

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/events"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// made is what Vault makes for a volume's pod, as its session sees it.
type made struct {
	leases *lease.Store
	holder lease.Holder
	wishes []fetch.Wish
}

// Stamp changes whenever something of it is replaced; 0 says that something has to be.
func (m made) Stamp() uint64 { return m.leases.Stamp(m.holder, m.wishes) }

// Hear notes that the pod is there.
func (m made) Hear() { m.leases.Hear(m.holder, m.wishes) }

// made is nil for a volume of which nothing is made for its pod alone. Where all of it is, there is nothing that would become old: it is
// asked for when its own life says so, and interval is as long as can be.
func (c *configured) made(v volume, interval time.Duration) (session.Made, time.Duration, error) {
	if !hasHeld(v.granted) {
		return nil, interval, nil
	}
	if c.refresh.NoRepublish {
		return nil, 0, fmt.Errorf("objects: %w (refresh.noRepublish of the provider's configuration), and a lease or a certificate could never be "+
			"replaced in the volume; turn on the driver's rotation (enableSecretRotation: true, rotationPollInterval: 0s)", config.ErrNoRepublish)
	}
	if interval != params.Always && !slices.ContainsFunc(v.granted, func(g badge.Granted) bool { return !g.Path().IsHeld() }) {
		interval = params.MaxRefresh
	}
	return made{leases: v.leases, holder: v.holder(), wishes: wishes(v.request.Params.Objects, v.granted, false)}, interval, nil
}

func hasHeld(granted []badge.Granted) bool {
	return slices.ContainsFunc(granted, func(g badge.Granted) bool { return g.Path().IsHeld() })
}

func (v volume) holder() lease.Holder {
	return lease.Holder{Pod: v.request.Pod, Connection: v.connection.Name}
}

func (v volume) loan() lease.Loan {
	return lease.Loan{
		Holder: v.holder(), Vault: v.connection.client, Breaker: &v.connection.breaker, Silence: v.silence, Since: v.issued,
	}
}

// leased counts and tells what happens to leases and certificates.
func (s *Server) leased(e lease.Event) {
	s.metrics.leased(e)
	level, message := slog.LevelInfo, "lease made"
	switch e.What {
	case lease.First, lease.Restart, lease.Replaced:
	case lease.Renewed:
		level, message = slog.LevelDebug, "lease renewed"
	case lease.Failed:
		level, message = slog.LevelWarn, "lease not renewed, it is tried again"
	case lease.Lost:
		level, message = slog.LevelWarn, "lease not renewed, it is replaced when the pod asks"
		s.notify(events.Event{Pod: e.Holder.Pod, Warning: true, Reason: reasonLost, Message: "a credential in the volume has ended at Vault, or is about to; " +
			"the driver's next call brings a new one: " + textOf(e.Err)})
	case lease.Silent:
		message = "pod is silent, its lease is not renewed any more"
	case lease.Returned:
		message = "mount failed, its lease was given back"
	case lease.Revoked:
		message = "pod has ended, its lease was revoked"
	case lease.Left:
		level, message = slog.LevelWarn, "pod has ended, its lease was not revoked and ends by its age"
	}
	attributes := []slog.Attr{
		slog.String(logkey.Pod, e.Holder.Pod.Namespace+"/"+e.Holder.Pod.Name), slog.String(logkey.PodUID, e.Holder.Pod.UID),
		slog.String(logkey.Connection, e.Holder.Connection), slog.String(logkey.Reason, string(e.What)), slog.String(logkey.VaultPath, e.Path),
	}
	if e.Err != nil {
		attributes = append(attributes, slog.String(logkey.Error, textOf(e.Err)))
	}
	s.log.LogAttrs(context.Background(), level, message, attributes...)
}
