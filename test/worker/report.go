package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// report is what is told of each secret, by name.
type report map[string]string

func read(source source) (report, error) {
	secrets, err := source()
	if err != nil {
		return nil, err
	}
	r := make(report, len(secrets))
	for name, value := range secrets {
		r[name] = fmt.Sprintf("sha256=%x bytes=%d", sha256.Sum256(value), len(value))
	}
	return r, nil
}

// write writes a line for every secret of r that before does not have so, and for every one that is gone.
func (r report) write(out io.Writer, before report) error {
	names := slices.Sorted(maps.Keys(r))
	for name := range before {
		if _, still := r[name]; !still {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		text, here := r[name]
		if !here {
			text = "gone"
		}
		if text == before[name] {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", name, text); err != nil {
			return err
		}
	}
	return nil
}

func tell(source source, before report, out io.Writer) (report, error) {
	r, err := read(source)
	if err != nil {
		return nil, err
	}
	return r, r.write(out, before)
}

func watch(ctx context.Context, source source, told report, out io.Writer) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var err error
		if told, err = tell(source, told, out); err != nil {
			return err
		}
	}
}

// listenVariable is where Greentic's runtime looks for the address that it listens on; in a pod it is 0.0.0.0.
const listenVariable = "GREENTIC_GATEWAY_LISTEN_ADDR"

func serve(ctx context.Context, address string, source source, out io.Writer) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err == nil && host == "" && os.Getenv(listenVariable) != "":
		host = os.Getenv(listenVariable)
	case err != nil || !net.ParseIP(host).IsLoopback():
		return fmt.Errorf("%q is no loopback address with a port, and %s names no other", address, listenVariable)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, err := tell(source, nil, w); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}),
	}
	if _, err := fmt.Fprintf(out, "listening on http://%s\n", listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
