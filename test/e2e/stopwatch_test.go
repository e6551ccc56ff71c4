//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/greenticai/gtc-csi-provider/test/e2e/stage"
)

// times are what some pods took, shortest first.
type times []time.Duration

// String tells the median, the 95th percentile and the worst.
func (t times) String() string {
	return fmt.Sprintf("median %.1f s, p95 %.1f s, worst %.1f s", t.within(50).Seconds(), t.within(95).Seconds(), t.within(100).Seconds())
}

// within is the time within which so many percent of the pods had arrived.
func (t times) within(percent int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[(len(t)*percent+99)/100-1]
}

// stopwatch watches the pods of a namespace, which are to be created now, until count of them have arrived. It returns at once; wait then returns
// how long each was seen to take from being scheduled.
func (s *story) stopwatch(ctx context.Context, namespace string, count int, arrived func(*corev1.Pod) error) (wait func() (times, error)) {
	scheduled, took := map[types.UID]time.Time{}, map[types.UID]time.Duration{}
	result := make(chan error, 1)
	go func() {
		_, err := stage.Await(ctx, s.Pods(), namespace, "", func(pod *corev1.Pod) error {
			now, last := time.Now(), arrived(pod)
			if _, seen := scheduled[pod.UID]; !seen && pod.Spec.NodeName != "" {
				scheduled[pod.UID] = now
			}
			if _, done := took[pod.UID]; !done && last == nil {
				took[pod.UID] = now.Sub(scheduled[pod.UID])
			}
			if len(took) < count {
				return fmt.Errorf("%d of %d pods have arrived, and of %s: %w", len(took), count, pod.Name, last)
			}
			return nil
		})
		result <- err
	}()
	return func() (times, error) {
		err := <-result
		return slices.Sorted(maps.Values(took)), err
	}
}
