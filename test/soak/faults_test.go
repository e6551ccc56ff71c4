package soak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// cure is how a fault is made and mended. Without mend it is over at once.
type cure struct{ make, mend func(context.Context) error }

// cures are of every fault of lanes, by lane and fault.
func (s *soak) cures() map[string]cure {
	startDriver := func(ctx context.Context) error { return s.StartDriver(ctx, 0) }
	manner := func(how string) func(context.Context) error {
		return func(context.Context) error { s.front.become(how); return nil }
	}
	return map[string]cure{
		"vault sealed":    {s.SealVault, s.UnsealVault},
		"vault paused":    {plain(s.PauseVault), plain(s.ResumeVault)},
		"vault restarted": {s.StopVault, s.StartVault},
		"vault killed":    {done(s.KillVault), s.StartVault},

		"way slow":        {manner("slow"), manner("")},
		"way cut":         {manner("cut"), manner("")},
		"way unavailable": {manner("unavailable"), manner("")},

		"apiserver stopped": {done(s.StopAPIServer), s.StartAPIServer},

		"driver killed":    {done(s.KillDriver), startDriver},
		"driver restarted": {s.StopDriver, startDriver},

		"provider killed":     {func(context.Context) error { s.mortal.process.Kill(); return nil }, s.mortal.start},
		"provider terminated": {s.mortal.terminate, s.mortal.start},

		"tokens revoked": {s.revoke, nil},

		"configuration refused":     {s.configure(badConfiguration), s.configure(fmt.Sprintf(configuration, s.front.URL, "2s"))},
		"configuration other words": {s.configure(fmt.Sprintf(configuration, s.front.URL, "1s")), s.configure(fmt.Sprintf(configuration, s.front.URL, "2s"))},
	}
}

func plain(f func() error) func(context.Context) error {
	return func(context.Context) error { return f() }
}

func done(f func()) func(context.Context) error {
	return func(context.Context) error { f(); return nil }
}

// revoke takes from all sessions of the team sales their tokens, which are service tokens. The other team's are batch tokens, which cannot be revoked.
func (s *soak) revoke(ctx context.Context) error {
	_, err := s.root.Logical().WriteWithContext(ctx, "sys/leases/revoke-prefix/auth/kubernetes/login", nil)
	return err
}

// configure gives both providers this configuration.
func (s *soak) configure(text string) func(context.Context) error {
	return func(context.Context) error { return errors.Join(s.mortal.configure(text), s.steady.configure(text)) }
}

// suffer makes and mends the faults of the plan. When it returns all are mended.
func (s *soak) suffer(ctx context.Context, plan []step) {
	cures := s.cures()
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() {
			for _, step := range plan {
				if step.lane == l.name && wait(ctx, time.Until(s.began.Add(step.at))) == nil {
					s.endure(ctx, step, cures[step.lane+" "+step.fault])
				}
			}
		})
	}
	all.Wait()
}

func (s *soak) endure(ctx context.Context, step step, c cure) {
	name := step.lane + " " + step.fault
	s.say("%s for %s", name, step.lasts.Round(time.Millisecond))
	s.trouble(1)
	defer s.trouble(-1)
	s.count("fault: " + name)
	mending := context.WithoutCancel(ctx)
	err := s.until(mending, name, c.make)
	if err == nil && c.mend != nil {
		_ = wait(ctx, step.lasts)
		err = s.until(mending, "the end of "+name, c.mend)
	}
	if err != nil {
		s.fail("%v", err)
		return
	}
	s.say("%s is over", name)
}

// until tries until that succeeds, for as long as patience.
func (s *soak) until(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, cancel := context.WithTimeout(ctx, time.Minute)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if over := wait(ctx, 200*time.Millisecond); over != nil {
			return fmt.Errorf("%s: %w: %w", what, over, err)
		}
	}
}
