package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBadOptionsAreRefusedBeforeAnythingStarts(t *testing.T) {
	good := Options{Programs: "bin", Rounds: 5, Singles: 9, Crowds: 3, Starts: 11}
	require.NoError(t, good.check())
	for want, mutate := range map[string]func(*Options){
		"-programs is missing": func(o *Options) { o.Programs = "" },
		"-rounds, -singles":    func(o *Options) { o.Rounds = 0 },
		"-crowds and -starts":  func(o *Options) { o.Crowds = -1 },
		"must be positive":     func(o *Options) { o.Starts = 0 },
	} {
		o := good
		mutate(&o)
		require.ErrorContains(t, Run(t.Context(), o, io.Discard, io.Discard), want)
	}
}

func TestAtOnce(t *testing.T) {
	const n = 20
	var together, most atomic.Int64
	took, err := atOnce(t.Context(), n, func(context.Context, int) error {
		most.Store(max(most.Load(), together.Add(1)))
		time.Sleep(20 * time.Millisecond)
		together.Add(-1)
		return nil
	})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, took, 20*time.Millisecond)
	assert.Less(t, took, n*20*time.Millisecond, "not one after the other")
	assert.Greater(t, most.Load(), int64(1))
}

func TestAtOnceTellsTheFirstFaultAndHowMany(t *testing.T) {
	odd := errors.New("odd")
	_, err := atOnce(t.Context(), 4, func(_ context.Context, i int) error { return []error{nil, odd, nil, odd}[i] })
	require.ErrorIs(t, err, odd)
	require.EqualError(t, err, "odd (and 1 more)")
	_, err = atOnce(t.Context(), 2, func(_ context.Context, i int) error { return []error{nil, odd}[i] })
	require.EqualError(t, err, "odd")
}
