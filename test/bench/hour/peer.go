package hour

import "time"

// peer models vault-csi-provider 1.7 after a start: it logs in for a pod, keeps the token, and reads every secret at every call. It learns that
// the token has ended from a refused read, and then logs in and reads that secret again.
type peer struct {
	secrets int
	until   map[int]time.Duration // by pod, when its token ends
}

// asks is how many requests a call for the pod costs.
func (p peer) asks(at time.Duration, pod int) int {
	until, known := p.until[pod]
	if known && at < until {
		return p.secrets
	}
	p.until[pod] = at + vaultToken
	if !known {
		return 1 + p.secrets
	}
	return 2 + p.secrets
}
