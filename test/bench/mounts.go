package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/floor"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/program"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/stage"
)

// pause lets what was done before a measurement come to rest: the API server's caches see the new pods.
const pause = 50 * time.Millisecond

// contest is one kind of secret: what is measured of it, and what Vault was asked.
type contest struct {
	kind      stage.Kind
	one, many figures.Mounts
	requests  figures.Requests
}

func newContest(kind stage.Kind) *contest {
	want := figures.Tally{Logins: 1, Reads: stage.SecretsPerPod}
	if kind == stage.Records {
		want.Decrypts = 1
	}
	return &contest{
		kind:     kind,
		one:      figures.Mounts{Kind: string(kind), Pods: 1},
		many:     figures.Mounts{Kind: string(kind), Pods: crowd},
		requests: figures.Requests{What: "mounts of " + string(kind), Want: want},
	}
}

// measureMounts mounts in rounds, after one that only warms up.
func (b *bench) measureMounts(ctx context.Context) error {
	contests := []*contest{newContest(stage.Plain), newContest(stage.Records)}
	echo := []figures.Calls{{Calls: 1}, {Calls: crowd}}
	b.result.APIRequests = []string{}
	fmt.Fprintln(b.progress, "warming up")
	for _, c := range contests {
		if err := b.contend(ctx, newContest(c.kind), crowd, &figures.Mounts{}, false); err != nil {
			return err
		}
	}
	for round := range b.Rounds {
		fmt.Fprintf(b.progress, "round %d of %d\n", round+1, b.Rounds)
		for _, c := range contests {
			if err := b.round(ctx, c, round%2 == 1); err != nil {
				return err
			}
		}
		if err := b.roundOfEcho(ctx, contests[0].kind, echo); err != nil {
			return err
		}
	}
	for _, c := range contests {
		b.result.Mounts = append(b.result.Mounts, c.one, c.many)
		b.result.Requests = append(b.result.Requests, c.requests)
	}
	b.result.Echo = echo
	return nil
}

func (b *bench) round(ctx context.Context, c *contest, providerFirst bool) error {
	for i := range b.Singles {
		if err := b.contend(ctx, c, 1, &c.one, providerFirst != (i%2 == 1)); err != nil {
			return err
		}
	}
	for i := range b.Crowds {
		if err := b.contend(ctx, c, crowd, &c.many, providerFirst != (i%2 == 1)); err != nil {
			return err
		}
		memory, err := b.provider.Memory()
		if err != nil {
			return err
		}
		b.result.Resident, b.result.Peak = append(b.result.Resident, memory.Now), memory.Peak
	}
	return nil
}

// contend mounts so many pods by the floor, and as many by the provider.
func (b *bench) contend(ctx context.Context, c *contest, pods int, into *figures.Mounts, providerFirst bool) error {
	byFloor, err := b.stage.Pods(ctx, pods)
	if err != nil {
		return err
	}
	byProvider, err := b.stage.Pods(ctx, pods)
	if err != nil {
		return err
	}
	one := func() error {
		took, err := b.byFloor(ctx, c.kind, byFloor)
		into.Floor = append(into.Floor, took)
		return err
	}
	other := func() error {
		took, err := b.byProvider(ctx, c, byProvider)
		into.Provider = append(into.Provider, took)
		return err
	}
	return inTurn(providerFirst, one, other)
}

func (b *bench) byFloor(ctx context.Context, kind stage.Kind, pods []stage.Pod) (time.Duration, error) {
	mount := b.floor.Plain
	if kind == stage.Records {
		mount = b.floor.Records
	}
	mounts := make([]floor.Pod, len(pods))
	for i, pod := range pods {
		mounts[i] = pod.Floor(kind)
	}
	time.Sleep(pause)
	return atOnce(ctx, len(pods), func(ctx context.Context, i int) error { return mount(ctx, mounts[i]) })
}

// byProvider mounts, and then looks at the answers and at who was asked for what.
func (b *bench) byProvider(ctx context.Context, c *contest, pods []stage.Pod) (time.Duration, error) {
	watch, err := b.stage.Watch()
	if err != nil {
		return 0, err
	}
	class := stage.Class{Kind: c.kind}
	answers, took, err := callAll(ctx, mountClient(b.provider), class, pods)
	if err != nil {
		return 0, fmt.Errorf("mounting by the provider: %w", err)
	}
	wrong := checkAll(class, pods, answers)
	api, apiErr := watch.API()
	b.result.APIRequests = append(b.result.APIRequests, api...)
	return took, errors.Join(wrong, apiErr, watch.Vault(&c.requests, pods))
}

// startEcho starts the echo server with an answer of the provider.
func (b *bench) startEcho(ctx context.Context) error {
	pods, err := b.stage.Pods(ctx, 1)
	if err != nil {
		return err
	}
	answers, _, err := callAll(ctx, mountClient(b.provider), stage.Class{Kind: stage.Plain}, pods)
	if err != nil {
		return fmt.Errorf("mounting by the provider: %w", err)
	}
	text, err := proto.Marshal(answers[0])
	if err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	b.answer = len(text)
	if err := os.WriteFile(b.stage.Path("answer"), text, 0o600); err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	b.echo, err = program.Start(ctx, b.commands.echo)
	return err
}

// roundOfEcho asks the echo server what the provider was asked.
func (b *bench) roundOfEcho(ctx context.Context, kind stage.Kind, echo []figures.Calls) error {
	pods, err := b.stage.Pods(ctx, crowd)
	if err != nil {
		return err
	}
	for i, times := range []int{b.Singles, b.Crowds} {
		for range times {
			_, took, err := callAll(ctx, mountClient(b.echo), stage.Class{Kind: kind}, pods[:echo[i].Calls])
			if err != nil {
				return fmt.Errorf("calling the echo server: %w", err)
			}
			echo[i].Times = append(echo[i].Times, took)
		}
	}
	return nil
}
