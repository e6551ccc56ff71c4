package session_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// TestAnHourAtVault simulates the first hour of 10,000 pods of three secrets each after every provider was started anew, with the kubelets' calls at
// random every 60 to 90 s, and counts what Vault is asked: beside a provider that reads all at each call, and over time. It takes a quarter
// of the pods and windows that are four times as long as 10 s, which have as many requests in them.
func TestAnHourAtVault(t *testing.T) {
	const pods, secrets, window = 2_500, 3, 40 * time.Second
	for name, row := range map[string]struct {
		replicas int     // that share a badge, a class and a node
		most     float64 // of what reading at each call costs, after the first interval
		peak     float64 // over the mean, likewise; ten replicas ask so little that chance alone makes peaks
	}{
		"without replicas": {1, 0.3, 1.5},
		"with ten":         {10, 1.0 / 20, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, session.Options{MaxSessions: pods, MaxBytes: 1 << 30}) // one Store stands for those of 100 nodes
				defer n.Close()
				n.vault.takes = 0
				began := time.Now()
				requests := make([]int, time.Hour/window)
				calls, callsFirst := 0, 0
				republishes(pods, func(at time.Duration, pod int) {
					time.Sleep(at - time.Since(began))
					v := n.visit(fmt.Sprint("pod-", pod))
					v.Request = session.Request{byte(pod / row.replicas), byte(pod / row.replicas >> 8)}
					before := n.vault.counts()
					_, err := n.ask(v)
					require.NoError(t, err)
					after := n.vault.counts()
					calls++
					if at < interval {
						callsFirst++
					}
					requests[at/window] += after[0] - before[0] + secrets*(after[1]-before[1])
				})
				first := int(interval / window)
				cold, later := float64(sum(requests[:first]))/pods, requests[first:]
				share := float64(sum(later)) / float64((calls-callsFirst)*secrets)
				peak := float64(slices.Max(later)) * float64(len(later)) / float64(sum(later))
				t.Logf("the first interval: %.1f requests a pod; then %.3f of reading at each call, peak over mean %.2f", cold, share, peak)
				assert.LessOrEqual(t, cold, 8.0, "a login and the reads, and for most a refresh")
				assert.LessOrEqual(t, share, row.most)
				assert.LessOrEqual(t, peak, row.peak)
			})
		})
	}
}

// republishes calls call for every call of an hour's, in their order.
func republishes(pods int, call func(at time.Duration, pod int)) {
	type event struct {
		at  time.Duration
		pod int
	}
	var events []event
	for pod := range pods {
		for at := rand.N(90 * time.Second); at < time.Hour; at += time.Minute + rand.N(30*time.Second) {
			events = append(events, event{at, pod})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, e := range events {
		call(e.at, e.pod)
	}
}

func sum(counts []int) (total int) {
	for _, count := range counts {
		total += count
	}
	return total
}
