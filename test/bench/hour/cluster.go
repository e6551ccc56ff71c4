package hour

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Cluster is what is simulated. Every field must be positive.
type Cluster struct {
	Nodes    int
	Pods     int // on each node
	Replicas int // pods of a node that have one badge and one class; 1 for none
	Secrets  int // that a class names
	Seed     uint64
}

// All is how many pods there are.
func (c Cluster) All() int { return c.Nodes * c.Pods }

// What the kubelets do: a volume's next call comes 60 to 90 s after the one before, and a pod's token of an hour is renewed when a fifth of
// its life is left.
const (
	soonest   = 60 * time.Second
	latest    = 90 * time.Second
	tokenLife = time.Hour
	renewed   = tokenLife * 4 / 5
)

// call is one of the kubelet's for the only volume of a pod.
type call struct {
	at  time.Duration
	pod int
}

// calls are all that there are in an hour, in their order. They have gone on for up to an hour before it.
func (c Cluster) calls(random *rand.Rand) []call {
	var all []call
	for pod := range c.All() {
		at := -time.Duration(random.Int64N(int64(time.Hour)))
		for ; at < time.Hour; at += soonest + time.Duration(random.Int64N(int64(latest-soonest))) {
			if at >= 0 {
				all = append(all, call{at, pod})
			}
		}
	}
	slices.SortFunc(all, func(a, b call) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.pod, b.pod)) })
	return all
}
