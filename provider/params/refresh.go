package params

import (
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// Always is the refresh interval that asks Vault at every call of the driver.
const Always time.Duration = -1

// always is how Always is written.
const always = "always"

// Bounds of a refresh interval. The operator may set a longer least one.
const (
	MinRefresh = time.Second
	MaxRefresh = 24 * time.Hour
)

// ParseRefresh reads a refresh interval: a Go duration from MinRefresh to MaxRefresh, or "always". The provider's configuration keeps to
// the same rule.
func ParseRefresh(text string) (time.Duration, error) {
	if text == always {
		return Always, nil
	}
	interval, err := time.ParseDuration(text)
	if err != nil || interval < MinRefresh || interval > MaxRefresh {
		return 0, fmt.Errorf("%s is no refresh interval; write a duration from 1s to 24h such as 5m, or %q", faults.Quote(text), always)
	}
	return interval, nil
}

// FormatRefresh is ParseRefresh's inverse.
func FormatRefresh(interval time.Duration) string {
	if interval == Always {
		return always
	}
	return interval.String()
}

func readRefresh(p *Params, text string, wrong *faults.List) {
	interval, err := ParseRefresh(text)
	wrong.Add("refreshInterval", err)
	p.Refresh = interval
}
