package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/program"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/stage"
)

// republishes is how many batches of unchanged republishes there are for each crowd: they are short, so that a little noise is much.
const republishes = 5

// timesEnd is by how many bytes answers differ, because Vault leaves the zeros at the end of a time out.
const timesEnd = 8 * stage.SecretsPerPod

// dueAfter is when a refresh of a class with the short interval is due at the latest: a tenth later, and a little.
const dueAfter = stage.ShortRefresh*11/10 + 50*time.Millisecond

// measureSessions calls again for volumes that are mounted, in rounds.
func (b *bench) measureSessions(ctx context.Context) error {
	if err := b.restart(ctx); err != nil {
		return err
	}
	b.result.Republishes.Pods, b.result.Replicas.Pods = crowd, crowd
	unchanged := figures.Requests{What: "unchanged republishes"}
	refreshes := figures.Mounts{Kind: "refreshes of plain KV", Pods: crowd}
	reads := figures.Requests{What: refreshes.Kind, Want: figures.Tally{Reads: stage.SecretsPerPod}}
	for round := range b.Rounds {
		fmt.Fprintf(b.progress, "round %d of %d of what is mounted already\n", round+1, b.Rounds)
		if err := b.republish(ctx, &unchanged); err != nil {
			return err
		}
		if err := b.refresh(ctx, &refreshes, &reads); err != nil {
			return err
		}
		if err := b.replicas(ctx); err != nil {
			return err
		}
	}
	b.result.Mounts = append(b.result.Mounts, refreshes)
	b.result.Requests = append(b.result.Requests, unchanged, reads)
	return nil
}

// restart makes the provider one that has mounted nothing, and does not forget soon.
func (b *bench) restart(ctx context.Context) error {
	b.provider.Kill()
	provider, err := program.Start(ctx, b.commands.remembering)
	if err != nil {
		return err
	}
	b.provider = provider
	return nil
}

// mounted are pods whose volumes the provider has mounted.
func (b *bench) mounted(ctx context.Context, class stage.Class) ([]stage.Pod, error) {
	pods, err := b.stage.Pods(ctx, crowd)
	if err != nil {
		return nil, err
	}
	time.Sleep(pause)
	_, err = b.call(ctx, class, pods)
	return pods, err
}

// call calls the provider and looks at its answers.
func (b *bench) call(ctx context.Context, class stage.Class, pods []stage.Pod) (time.Duration, error) {
	answers, took, err := callAll(ctx, mountClient(b.provider), class, pods)
	if err != nil {
		return 0, fmt.Errorf("calling the provider: %w", err)
	}
	return took, checkAll(class, pods, answers)
}

func checkAll(class stage.Class, pods []stage.Pod, answers []*v1alpha1.MountResponse) error {
	wrong := make([]error, len(pods))
	for i, pod := range pods {
		wrong[i] = pod.Check(class, answers[i])
	}
	return first(wrong)
}

// republish makes the driver's usual call, and the same of the echo server, whose answers are as long.
func (b *bench) republish(ctx context.Context, requests *figures.Requests) error {
	class := stage.Class{Kind: stage.Plain}
	pods, err := b.mounted(ctx, class)
	if err != nil {
		return err
	}
	byEcho := func() error {
		_, took, err := callAll(ctx, mountClient(b.echo), class, pods)
		b.result.Republishes.Echo = append(b.result.Republishes.Echo, took)
		return err
	}
	byProvider := func() error {
		watch, err := b.stage.Watch()
		if err != nil {
			return err
		}
		answers, took, err := callAll(ctx, mountClient(b.provider), class, pods)
		if err != nil {
			return err
		}
		b.result.Republishes.Provider = append(b.result.Republishes.Provider, took)
		for _, answer := range answers {
			if got := proto.Size(answer); got < b.answer-timesEnd || got > b.answer+timesEnd {
				return fmt.Errorf("%w: it has %d bytes, and the echo server's %d", stage.ErrWrong, got, b.answer)
			}
		}
		return errors.Join(checkAll(class, pods, answers), watch.Vault(requests, pods))
	}
	for i := range b.Crowds * republishes {
		if err := inTurn(i%2 == 1, byEcho, byProvider); err != nil {
			return fmt.Errorf("calling again: %w", err)
		}
	}
	return nil
}

// refresh calls when a refresh is due, and has the floor read the same secrets of as many pods that have logged in.
func (b *bench) refresh(ctx context.Context, into *figures.Mounts, requests *figures.Requests) error {
	class := stage.Class{Kind: stage.Plain, Refresh: stage.ShortRefresh}
	pods, err := b.mounted(ctx, class)
	if err != nil {
		return err
	}
	tokens := make([]string, len(pods))
	if _, err := atOnce(ctx, len(pods), func(ctx context.Context, i int) (err error) {
		tokens[i], err = b.floor.Login(ctx, pods[i].Floor(class.Kind))
		return err
	}); err != nil {
		return fmt.Errorf("logging in by the floor: %w", err)
	}
	byFloor := func() error {
		took, err := atOnce(ctx, len(pods), func(ctx context.Context, i int) error {
			return b.floor.Refresh(ctx, pods[i].Floor(class.Kind), tokens[i])
		})
		into.Floor = append(into.Floor, took)
		return err
	}
	byProvider := func() error {
		watch, err := b.stage.Watch()
		if err != nil {
			return err
		}
		took, err := b.call(ctx, class, pods)
		into.Provider = append(into.Provider, took)
		return errors.Join(err, watch.Vault(requests, pods))
	}
	for i := range b.Crowds {
		time.Sleep(dueAfter)
		if err := inTurn(i%2 == 1, byFloor, byProvider); err != nil {
			return fmt.Errorf("refreshing: %w", err)
		}
	}
	return nil
}

// replicas start at once, and are refreshed at once.
func (b *bench) replicas(ctx context.Context) error {
	class := stage.Class{Kind: stage.Plain, Refresh: stage.ShortRefresh, Same: true}
	pods, err := b.stage.Pods(ctx, crowd)
	if err != nil {
		return err
	}
	for _, add := range []func(stage.Watch, *figures.Replicas, []stage.Pod) error{stage.Watch.Cold, stage.Watch.Due} {
		watch, err := b.stage.Watch()
		if err != nil {
			return err
		}
		if _, err := b.call(ctx, class, pods); err != nil {
			return err
		}
		if err := add(watch, &b.result.Replicas, pods); err != nil {
			return err
		}
		time.Sleep(dueAfter)
	}
	return nil
}

// inTurn does both, the second one first if asked to.
func inTurn(swapped bool, one, other func() error) error {
	if swapped {
		one, other = other, one
	}
	if err := one(); err != nil {
		return err
	}
	return other()
}
