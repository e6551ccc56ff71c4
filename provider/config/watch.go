package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
)

// digest tells contents apart: of the file and of every file that it names.
type digest [sha256.Size]byte

// Load reads the configuration at path.
func Load(path string) (Config, error) {
	c, _, err := load(path)
	return c, err
}

// load also says what was read, which identifies a configuration that is refused too.
func load(path string) (Config, digest, error) {
	hash := sha256.New()
	read := func(path string) ([]byte, error) {
		content, err := readBounded(path)
		// Lengths and failures go in as well, so that no two ways to fill the same bytes look the same.
		_, _ = fmt.Fprintf(hash, "%q %d %v\n", path, len(content), err)
		_, _ = hash.Write(content)
		return content, err
	}
	text, err := read(path)
	if err != nil {
		return Config{}, digest(hash.Sum(nil)), fmt.Errorf("reading configuration: %w: %w", ErrInvalid, err)
	}
	c, err := Parse(text, read)
	sum := digest(hash.Sum(nil))
	if err != nil {
		return Config{}, sum, fmt.Errorf("reading configuration %q: %w", path, err)
	}
	c.digest = sum
	return c, sum, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err == nil && len(content) > MaxFile {
		err = fmt.Errorf("%q has more than %d bytes", path, MaxFile)
	}
	return content, err
}

// Watch reads the configuration at path again and again until ctx ends, and calls changed when what is there, or in a caCertFile, is
// not what it was: with the new configuration, or with what is wrong with it. running is the one that is in force at the beginning.
//
// It polls, because a ConfigMap's file changes by the renaming of a folder above it, which file notifications miss or report in pieces.
func Watch(ctx context.Context, path string, every time.Duration, running Config, changed func(Config, error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := running.digest
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c, seen, err := load(path)
		if seen != last {
			last = seen
			changed(c, err)
		}
	}
}
