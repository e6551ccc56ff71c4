package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/params"
)

// Refresh is what the operator says about volumes that are mounted already.
type Refresh struct {
	Interval    time.Duration // how old values may be where a class does not say; params.Always asks Vault at every call
	Minimum     time.Duration // the least that a class may ask for
	AllowAlways bool          // whether a class may ask for params.Always
	MaxStale    time.Duration // how old values may be while Vault does not answer
	PodSilence  time.Duration // after which a pod that is not heard of is forgotten
	OnDenied    OnDenied
	// NoRepublish says that the driver never calls again for a mounted volume: nothing could be replaced, and no pod be heard of.
	NoRepublish bool
}

// OnDenied is what becomes of a mounted file whose secret Vault refuses or does not have any more.
type OnDenied string

// What can become of it.
const (
	Keep   OnDenied = "keep"   // it stays as it was, as the driver leaves it after an error
	Remove OnDenied = "remove" // it goes
)

// What holds where the configuration says nothing.
const (
	defaultInterval   = 5 * time.Minute
	defaultMinimum    = time.Minute
	defaultMaxStale   = time.Hour
	defaultPodSilence = 15 * time.Minute
	longestRefresh    = 7 * 24 * time.Hour // of maxStale and podSilence
)

// ErrRefresh is a class's refresh interval that the operator does not allow.
var ErrRefresh = errors.New("the provider's configuration does not allow the refresh interval")

// ErrNoRepublish is a class with leased objects under a driver that never calls again.
var ErrNoRepublish = errors.New("the driver never asks again for a mounted volume")

// For is the interval of a class that asks for one; 0 asks for none.
func (r Refresh) For(asked time.Duration) (time.Duration, error) {
	switch {
	case asked == 0:
		return r.Interval, nil
	case asked == params.Always && !r.AllowAlways:
		return 0, fmt.Errorf("refreshInterval: %w: always; name a duration of at least %s, or ask the provider's operator for refresh.allowAlways", ErrRefresh, r.Minimum)
	case asked != params.Always && asked < r.Minimum:
		return 0, fmt.Errorf("refreshInterval: %w: %s is less than %s; name a longer one, or ask the provider's operator for a smaller refresh.minimum", ErrRefresh, asked, r.Minimum)
	}
	return asked, nil
}

// refreshDocument is refresh as it is written.
type refreshDocument struct {
	Interval    string `yaml:"interval"`
	Minimum     string `yaml:"minimum"`
	AllowAlways bool   `yaml:"allowAlways"`
	MaxStale    string `yaml:"maxStale"`
	PodSilence  string `yaml:"podSilence"`
	OnDenied    string `yaml:"onDenied"`
	NoRepublish bool   `yaml:"noRepublish"`
}

func (p *parser) refresh(doc refreshDocument) Refresh {
	r := Refresh{
		Interval: defaultInterval, AllowAlways: doc.AllowAlways, NoRepublish: doc.NoRepublish, OnDenied: OnDenied(or(doc.OnDenied, string(Keep))),
		Minimum:    p.duration("refresh.minimum", doc.Minimum, defaultMinimum, params.MinRefresh, params.MaxRefresh),
		MaxStale:   p.duration("refresh.maxStale", doc.MaxStale, defaultMaxStale, 0, longestRefresh),
		PodSilence: p.duration("refresh.podSilence", doc.PodSilence, defaultPodSilence, params.MinRefresh, longestRefresh),
	}
	if doc.Interval != "" {
		var err error
		if r.Interval, err = params.ParseRefresh(doc.Interval); err != nil {
			p.fault("refresh.interval", "%w", err)
		}
	}
	if r.OnDenied != Keep && r.OnDenied != Remove {
		p.fault("refresh.onDenied", "%q is neither %q nor %q", doc.OnDenied, Keep, Remove)
	}
	return r
}

func (p *parser) duration(path, text string, preset, least, most time.Duration) time.Duration {
	if text == "" {
		return preset
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		p.fault(path, "%q is no duration from %s to %s; write it as 90s, 15m or 1h", text, least, most)
	}
	return d
}
