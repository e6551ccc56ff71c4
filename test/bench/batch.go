package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/stage"
)

// batchTime is what one batch may take. The floor needs a few tenths of a second for a crowd.
const batchTime = 2 * time.Minute

// callAll makes one call for each pod, all at once. The requests are made before the clock starts.
func callAll(ctx context.Context, client v1alpha1.CSIDriverProviderClient, class stage.Class, pods []stage.Pod) ([]*v1alpha1.MountResponse, time.Duration, error) {
	requests := make([]*v1alpha1.MountRequest, len(pods))
	for i, pod := range pods {
		request, err := pod.Request(class)
		if err != nil {
			return nil, 0, err
		}
		requests[i] = request
	}
	answers := make([]*v1alpha1.MountResponse, len(pods))
	took, err := atOnce(ctx, len(pods), func(ctx context.Context, i int) (err error) {
		answers[i], err = client.Mount(ctx, requests[i])
		return err
	})
	return answers, took, err
}

// atOnce does n things at once and says how long it took until the last was done. What this process has left to tidy up,
// it does before.
func atOnce(ctx context.Context, n int, do func(ctx context.Context, i int) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	var (
		ready, done sync.WaitGroup
		start       = make(chan struct{})
		faults      = make([]error, n)
	)
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			faults[i] = do(ctx, i)
		})
	}
	ready.Wait()
	runtime.GC()
	began := time.Now()
	close(start)
	done.Wait()
	return time.Since(began), first(faults)
}

// first is the first fault, and says how many there are: those of a batch tend to be all the same.
func first(faults []error) error {
	faults = slices.DeleteFunc(slices.Clone(faults), func(err error) bool { return err == nil })
	if len(faults) < 2 {
		return errors.Join(faults...)
	}
	return fmt.Errorf("%w (and %d more)", faults[0], len(faults)-1)
}
