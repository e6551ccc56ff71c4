package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/greenticai/gtc-csi-provider/test/upstreamreader"
)

// source reads all of the worker's secrets, by name, as they are now.
type source func() (map[string][]byte, error)

func parseSource(args []string) (source, error) {
	if len(args) == 0 {
		return nil, errors.New("name a source: variables, dev-store or files")
	}
	switch kind, rest := args[0], args[1:]; kind {
	case "variables":
		return func() (map[string][]byte, error) { return variables(rest) }, nil
	case "dev-store":
		return func() (map[string][]byte, error) { return devStore(rest) }, nil
	case "files":
		if len(rest) == 0 {
			return nil, errors.New("files: name the folder")
		}
		return func() (map[string][]byte, error) { return files(rest[0], rest[1:]) }, nil
	}
	return nil, fmt.Errorf("unknown source %q", args[0])
}

func variables(names []string) (map[string][]byte, error) {
	secrets := make(map[string][]byte, len(names))
	for _, name := range names {
		value, set := os.LookupEnv(name)
		if !set {
			return nil, fmt.Errorf("variable %q is not set", name)
		}
		secrets[name] = []byte(value)
	}
	return secrets, nil
}

func devStore(uris []string) (map[string][]byte, error) {
	store, err := upstreamreader.Open(os.Getenv("GREENTIC_DEV_SECRETS_PATH"), os.Getenv("GREENTIC_DEV_MASTER_KEY"))
	if err != nil {
		return nil, fmt.Errorf("reading dev-store: %w", err)
	}
	if len(uris) == 0 {
		uris = store.URIs()
	}
	secrets := make(map[string][]byte, len(uris))
	for _, uri := range uris {
		if secrets[uri], err = store.Get(uri); err != nil {
			return nil, fmt.Errorf("reading dev-store: %q: %w", uri, err)
		}
	}
	return secrets, nil
}

// onHangup is a source that reads once, and then only after a SIGHUP, until stop.
func onHangup(read source) (known source, stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var mu sync.Mutex // guards what follows
	secrets, err := read()
	return func() (map[string][]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		select {
		case <-hangups:
			secrets, err = read()
		default:
		}
		return secrets, err
	}, func() { signal.Stop(hangups) }
}

// files reads below the folder that "..data" names at this moment. The folder can be removed by a rotation while it is read; then the
// next one is there already.
func files(folder string, paths []string) (map[string][]byte, error) {
	const attempts = 10
	var err error
	for range attempts {
		var generation string
		if generation, err = filepath.EvalSymlinks(filepath.Join(folder, "..data")); err != nil {
			continue
		}
		secrets := make(map[string][]byte, len(paths))
		for _, path := range paths {
			if secrets[path], err = os.ReadFile(filepath.Join(generation, path)); err != nil {
				break
			}
		}
		if err == nil {
			return secrets, nil
		}
	}
	return nil, fmt.Errorf("reading the volume: %w", err)
}
