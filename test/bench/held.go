package main

import (
	"context"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/stage"
)

const (
	heldBatches     = 10
	heldBatch       = 100
	heldRepublishes = 10_000
	goneTime        = podSilence + 30*time.Second // a sweep is every 5 s, and the machine may be busy
)

// staying are the pods that stay; the class of all pods here has no refresh due while they are looked at, and no two share an answer.
var staying = stage.Class{Kind: stage.Plain, Refresh: time.Hour, Own: true}

// measureHeld has a provider of its own remember many pods and forget them, twice.
func (b *bench) measureHeld(ctx context.Context) error {
	fmt.Fprintln(b.progress, "many sessions")
	if err := b.restart(ctx); err != nil {
		return err
	}
	pods, err := b.mounted(ctx, staying)
	if err != nil {
		return err
	}
	held := &b.result.Held
	first, err := b.comeAndGo(ctx, pods)
	if err != nil {
		return err
	}
	for range heldRepublishes/crowd + 1 {
		if _, err := b.call(ctx, staying, pods); err != nil {
			return err
		}
		held.Republishes += crowd
	}
	second, err := b.comeAndGo(ctx, pods)
	if err != nil {
		return err
	}
	held.Sessions, held.Before, held.With, held.Gone, held.Again = first.sessions, first.before, first.with, first.after, second.after
	held.Left = second.goroutines - first.goroutines
	return nil
}

// visitors are pods that came and went: how many there were, and the provider's resident memory before, with and after them.
type visitors struct {
	sessions            int
	before, with, after int64
	goroutines          int // after
}

// comeAndGo mounts many pods beside those that stay, and waits until the provider has forgotten them.
func (b *bench) comeAndGo(ctx context.Context, stay []stage.Pod) (v visitors, err error) {
	batches := make([][]stage.Pod, heldBatches)
	for i := range batches {
		if batches[i], err = b.stage.Pods(ctx, heldBatch); err != nil {
			return visitors{}, err
		}
		if _, err := b.call(ctx, staying, stay); err != nil { // they must not fall silent meanwhile
			return visitors{}, err
		}
	}
	if v.before, err = b.resident(ctx, stay); err != nil {
		return visitors{}, err
	}
	for _, pods := range batches {
		if _, err := b.call(ctx, staying, pods); err != nil {
			return visitors{}, err
		}
	}
	metrics, err := b.provider.Metrics(ctx)
	if err != nil {
		return visitors{}, err
	}
	v.sessions = int(metrics[sessionsMetric]) - len(stay)
	if v.with, err = b.resident(ctx, stay); err != nil {
		return visitors{}, err
	}
	if v.goroutines, err = b.gone(ctx, stay); err != nil {
		return visitors{}, err
	}
	v.after, err = b.resident(ctx, stay)
	return v, err
}

const sessionsMetric = "greentic_provider_sessions"

// gone waits until nobody is remembered but those who stay, and says how many goroutines there are then.
func (b *bench) gone(ctx context.Context, stay []stage.Pod) (goroutines int, err error) {
	for until := time.Now().Add(goneTime); time.Now().Before(until); time.Sleep(time.Second) {
		if _, err := b.call(ctx, staying, stay); err != nil {
			return 0, err
		}
		metrics, err := b.provider.Metrics(ctx)
		if err != nil {
			return 0, err
		}
		if int(metrics[sessionsMetric]) == len(stay) {
			return int(metrics["go_goroutines"]), nil
		}
	}
	return 0, fmt.Errorf("pods that are not heard of are still remembered after %s", goneTime)
}

// resident is the provider's resident memory, the least of some readings while those who stay call again and again, so that what is
// garbage is collected.
func (b *bench) resident(ctx context.Context, stay []stage.Pod) (least int64, err error) {
	const readings = 20
	for i := range readings {
		if _, err := b.call(ctx, staying, stay); err != nil {
			return 0, err
		}
		memory, err := b.provider.Memory()
		if err != nil {
			return 0, err
		}
		if i == 0 || memory.Now < least {
			least = memory.Now
		}
	}
	return least, nil
}
