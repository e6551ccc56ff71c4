package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// longestLine is how many characters a terminal's line can have; what is typed beyond is dropped without a word.
const longestLine = 4096

// prompt asks the person at the terminal; what is typed does not show.
func prompt(ctx context.Context, stdin io.Reader, stderr io.Writer, ref secretref.Reference) (value secret.Value, err error) {
	keyboard, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(keyboard.Fd())) {
		return secret.Value{}, badInputf("no value: give --env VARIABLE, --file FILE or --stdin, or run the command at a terminal to be asked")
	}
	// Opened anew it is read without blocking a thread, so that the end of ctx ends the read; where that cannot be, Ctrl-C still does.
	reader, err := os.Open(fmt.Sprintf("/dev/fd/%d", keyboard.Fd()))
	if err != nil {
		return secret.Value{}, fmt.Errorf("asking for the value: %w", err)
	}
	defer func() { _ = reader.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = reader.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	before, err := term.MakeRaw(int(keyboard.Fd()))
	if err != nil {
		return secret.Value{}, fmt.Errorf("asking for the value: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(keyboard.Fd()), before)) }()
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{reader, stderr}, "")
	line, err := screen.ReadPassword(fmt.Sprintf("value of %s: ", ref))
	switch {
	case err != nil && ctx.Err() != nil:
		_, _ = io.WriteString(stderr, "\r\n")
		return secret.Value{}, fmt.Errorf("asking for the value: %w", ctx.Err())
	case errors.Is(err, io.EOF): // Ctrl-C or Ctrl-D
		_, _ = io.WriteString(stderr, "\r\n")
		return secret.Value{}, badInputf("no value was given")
	case err != nil:
		return secret.Value{}, fmt.Errorf("asking for the value: %w", err)
	case len([]rune(line)) >= longestLine:
		return secret.Value{}, badInputf("the value is too long to be typed: give it with --file or --stdin")
	}
	return secret.NewString(line), nil
}
