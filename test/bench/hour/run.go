package hour

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
)

// Interval is the provider's default for refreshInterval.
const Interval = 5 * time.Minute

// Loads are what the providers asked of Vault.
type Loads struct {
	Ours, Peer Load
}

// pod is what its node's provider is shown.
type pod struct {
	badge.Pod
	request session.Request
	issued  time.Time // its token
}

// Run simulates the hour after every provider of c was started anew. It sleeps the hour, so it belongs into a synctest bubble.
func Run(c Cluster) (Loads, error) {
	random := rand.New(rand.NewPCG(c.Seed, 0))
	pods, calls := c.start(random), c.calls(random)
	vault, rival := &counter{}, peer{c.Secrets, map[int]time.Duration{}}
	nodes := make([]*session.Store, c.Nodes)
	for i := range nodes {
		nodes[i] = session.New(session.Options{Decided: func(error) bool { return false }, Random: random.Float64})
		defer nodes[i].Close()
	}
	began, loads := time.Now(), Loads{newLoad(), newLoad()}
	for _, call := range calls {
		time.Sleep(call.at - time.Since(began))
		before := vault.requests
		if err := mount(nodes[call.pod/c.Pods], &pods[call.pod], way{vault, c.Secrets}); err != nil {
			return Loads{}, err
		}
		loads.Ours[call.at/Window] += vault.requests - before
		loads.Peer[call.at/Window] += rival.asks(call.at, call.pod)
	}
	return loads, nil
}

// start is the pods as they are when the hour begins. They have been there for long, so their tokens are of any age.
func (c Cluster) start(random *rand.Rand) []pod {
	pods := make([]pod, c.All())
	for i := range pods {
		team := i / c.Replicas
		pods[i] = pod{
			Pod: badge.Pod{
				Namespace: fmt.Sprint("team-", team), ServiceAccount: "worker", Name: fmt.Sprint("pod-", i), UID: fmt.Sprint("uid-", i),
			},
			issued: time.Now().Add(-time.Duration(random.Int64N(int64(renewed)))),
		}
		binary.BigEndian.PutUint64(pods[i].request[:], uint64(team))
	}
	return pods
}

// mount is one call of the driver, as provider.Server answers it.
func mount(node *session.Store, p *pod, vault way) error {
	if time.Since(p.issued) > renewed {
		p.issued = time.Now()
	}
	token := fmt.Sprint(p.UID, p.issued)
	call := node.Call(0, token)
	if _, _, again := node.Again(call); again {
		return nil
	}
	_, err := node.Answer(context.Background(), session.Visit{
		Pod: p.Pod, Request: p.request, Proof: secret.NewString(token), Issued: p.issued, Call: call, Expires: p.issued.Add(tokenLife),
		Policy: session.Policy{Interval: Interval, MaxStale: time.Hour, Silence: 15 * time.Minute},
		Vault:  vault, Breaker: &vault.breaker,
	})
	return err
}
