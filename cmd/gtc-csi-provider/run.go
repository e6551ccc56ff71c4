package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/rpc"
)

// Run is the program: it serves until ctx ends. The first part that fails ends the others, and all are waited for.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintln(stdout, version.Line("gtc-csi-provider"))
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	if err := harden(); err != nil {
		return err
	}
	settings, err := config.Load(o.config)
	if err != nil {
		return fmt.Errorf("%w: %w", errInvalid, err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	cluster, err := reach(o, log)
	if err != nil {
		return err
	}
	defer cluster.close()
	options := provider.Options{Version: version.Number(), Logger: log, Metrics: registry}
	if cluster.sender != nil {
		options.Tell = cluster.sender.Tell
	}
	server, err := provider.New(settings, options)
	if err != nil {
		return err
	}
	defer server.Close()
	watch, err := cluster.watch(o, server, log)
	if err != nil {
		return err
	}
	log.Info("starting", logkey.Version, version.Number(), logkey.Path, o.config)

	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error {
		boundMemory(ctx, server.Remembers)
		return nil
	})
	tasks.Go(func() error { return rpc.Serve(ctx, rpc.Options{Endpoint: o.endpoint, Service: server, Logger: log}) })
	tasks.Go(func() error {
		config.Watch(ctx, o.config, o.poll, settings, server.Reload)
		return nil
	})
	if cluster.sender != nil {
		tasks.Go(func() error { return cluster.sender.Run(ctx) })
	}
	if watch != nil {
		tasks.Go(func() error { return watch.Run(ctx) })
	}
	if o.healthAddr != "" {
		mux := http.NewServeMux()
		mux.Handle("/", rpc.HealthHandler(o.endpoint))
		mux.Handle("GET /debug/sessions", server.Sessions())
		tasks.Go(func() error { return rpc.ServeHTTP(ctx, o.healthAddr, mux, log) })
	}
	if o.metricsAddr != "" {
		mux := http.NewServeMux()
		// Compressing a few kilobytes would take a megabyte of memory.
		mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
		tasks.Go(func() error { return rpc.ServeHTTP(ctx, o.metricsAddr, mux, log) })
	}
	return tasks.Wait()
}

// harden keeps secrets in the process and the environment out of it.
func harden() error {
	// A core file would hold every value that passed through.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	// The Vault library reads VAULT_* wherever it can, and fails where one of them is wrong. Only the configuration decides here.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("removing %s from the environment: %w", name, err)
			}
		}
	}
	return nil
}
