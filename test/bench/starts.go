package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/bench/internal/program"
)

// commands are the servers of a run.
type commands struct{ provider, remembering, echo, empty program.Command }

const (
	// The bench mounts more pods in a second than a node has in a day, and they are gone at once: what ended a quarter of an hour ago on a
	// node ended 2 s ago here.
	soonForgotten = 2 * time.Second
	// Those that are called again must not be forgotten meanwhile, on a busy machine either.
	podSilence = 15 * time.Second
)

// module is where the servers come from that are only compared with.
const module = "github.com/greenticai/gtc-csi-provider/test/bench/"

// prepare builds what is not built, and weighs the provider's program.
func (b *bench) prepare(ctx context.Context) error {
	command := func(name, path string, args ...string) program.Command {
		return program.Command{Path: path, Args: args, Socket: b.stage.Path(name + ".sock"), Log: b.stage.Path(name + ".log")}
	}
	c := &b.commands
	for name, silence := range map[string]time.Duration{"forgetful": soonForgotten, "remembering": podSilence} {
		if err := os.WriteFile(b.stage.Path(name), []byte(b.stage.ProviderConfig(silence)), 0o600); err != nil {
			return fmt.Errorf("writing the provider's configuration: %w", err)
		}
	}
	provider := func(config string) program.Command {
		return command("provider", filepath.Join(b.Programs, "gtc-csi-provider"), "--config", b.stage.Path(config),
			"--endpoint", b.stage.Path("provider.sock"), "--health-addr", "", "--metrics-addr", "127.0.0.1:0")
	}
	c.provider, c.remembering = provider("forgetful"), provider("remembering")
	c.empty = command("empty", b.stage.Path("emptyserver"), "-socket", b.stage.Path("empty.sock"))
	c.echo = command("echo", b.stage.Path("echoserver"), "-socket", b.stage.Path("echo.sock"), "-answer", b.stage.Path("answer"))
	for _, server := range []string{"emptyserver", "echoserver"} {
		fmt.Fprintln(b.progress, "building", server)
		if err := program.Build(ctx, module+server, b.stage.Path(server)); err != nil {
			return err
		}
	}
	info, err := os.Stat(c.provider.Path)
	if err != nil {
		return fmt.Errorf("looking at the provider's program: %w", err)
	}
	b.result.Program = info.Size()
	return nil
}

// measureStarts starts the provider and the empty server by turns.
func (b *bench) measureStarts(ctx context.Context) error {
	fmt.Fprintln(b.progress, "starting servers")
	for range b.Starts {
		for _, side := range []struct {
			command program.Command
			times   *figures.Series
		}{{b.commands.empty, &b.result.EmptyStart}, {b.commands.provider, &b.result.Start}} {
			process, err := program.Start(ctx, side.command)
			if err != nil {
				return err
			}
			*side.times = append(*side.times, process.Took())
			process.Kill()
		}
	}
	return nil
}
