//go:build linux

package main_test

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// readStore is a worker that reads its dev-store again and again, as Greentic's does: opened to be written too, locked, read to its end.
// It tells each generation that it sees, and ends when what it sees is none.
func readStore() int {
	last := ""
	if a := os.Getenv("A"); a != os.Getenv("B") {
		fmt.Println("variables of two generations")
		return 1
	}
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP) // which would end it
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the test is over
	}()
	for ; ; time.Sleep(time.Millisecond) {
		generation, err := readGeneration(os.Getenv("GREENTIC_DEV_SECRETS_PATH"))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if generation != last {
			fmt.Println(generation)
			last = generation
		}
	}
}

func readGeneration(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	contents, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	entries, err := record.ReadDevStore(contents, secret.NewString(""))
	if err != nil {
		return "", err
	}
	if len(entries) != 2 || !entries[0].Value.Equal(entries[1].Value) {
		return "", fmt.Errorf("%d secrets, not two of one generation", len(entries))
	}
	return entries[0].Value.RevealString(), nil
}
